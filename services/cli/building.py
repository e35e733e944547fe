"""The whole build on one machine: the engine starts, the build is asked for and watched, everything stops."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from services.cli.environment import decide, decided_for_now
from services.cli.healing import heal
from services.cli.local.address import Address, running_address
from services.cli.local.children import Child
from services.cli.local.engine import Engine, running_engine
from services.cli.local.home import Home
from services.cli.local.keeper import Death
from services.cli.local.workers import SWEEPER, build_children, build_workers
from services.cli.store_of_home import store_of
from services.cli.wording import count
from services.common.database import transaction
from services.common.ends import end_of
from services.common.errors import CallError
from services.common.ledger import build_status, files, messages, planning, sweep
from services.common.ledger.planning import BuildRequest, OpenedBuild
from services.common.ledger.ways import ways_of
from services.common.migrate import migrate
from services.common.models.builds import BuildState, ReleaseState
from services.common.models.work import JobKind
from services.common.queues import QUEUE_OF_KIND
from services.common.settings import settings
from services.common.storage import FolderStore, Store
from services.common.worker import DOWNLOADER, MERGER, WORKER_KINDS, WorkerKind


def _all_workers() -> Collection[WorkerKind]:
    return WORKER_KINDS.values()


@contextmanager
def engine_of(
    home: Home, *, binners: int, needed_workers: Callable[[], Collection[WorkerKind]] = _all_workers
) -> Iterator[Engine]:
    """Run the engine of a home, with its ledger migrated and nothing left over from an earlier start.

    `needed_workers` is asked once the ledger can be; where it names none, neither sweeper nor workers start.
    """
    owns_ledger = settings().database_url is None

    def children(home: Home, address: Address) -> Sequence[Child]:
        kinds = needed_workers()
        return build_children(home, address, binners=binners, kinds=kinds) if kinds else ()

    with (
        decided_for_now(),
        running_engine(
            home,
            prepare=partial(_prepare, home, owns_ledger=owns_ledger),
            children=children,
            on_death=_tell_of_death,
        ) as engine,
    ):
        yield engine


@dataclass(slots=True)
class RunningBuild:
    """A build that was asked for and the engine that works on it; `build` is known once the engine runs."""

    home: Home
    request: BuildRequest
    binners: int
    build: int = field(init=False)
    engine: Engine = field(init=False)

    def open(self) -> Collection[WorkerKind]:
        """Ask for the build, and return the workers that it will need; none where there is nothing to do."""
        self.build = ask(FolderStore(self.home.path), self.request).build
        with transaction() as ledger:
            if build_status.status_of(ledger, self.build).state != BuildState.OPEN:
                return ()
            runnable = _workers_for(messages.runnable_kinds(ledger))
        if runnable == [MERGER]:
            # All that it takes is there; where some of it turns out to be lost, `check` starts more.
            return runnable
        counting = {ways_of(source.entry)[0] for source in self.request.sources}
        return [DOWNLOADER, *_workers_for(counting), MERGER]

    def check(self) -> None:
        """Raise an EngineError if a process cannot be kept running; start workers that are needed by now.

        A source may be added to a build that runs, or copied because it cannot be streamed.
        """
        self.engine.check()
        if not self.engine.supervisor.keeps(SWEEPER):
            return
        with transaction() as ledger:
            runnable = messages.runnable_kinds(ledger)
        workers = build_workers(self.home, self.engine.address, _workers_for(runnable), binners=self.binners)
        self.engine.add_missing(workers)


def _workers_for(jobs: Collection[JobKind]) -> list[WorkerKind]:
    """Return the workers that serve the queues of these kinds of jobs."""
    queues = {QUEUE_OF_KIND[job] for job in jobs}
    return [kind for kind in WORKER_KINDS.values() if queues.intersection(kind.queues)]


@contextmanager
def running_build(home: Home, request: BuildRequest, *, binners: int) -> Iterator[RunningBuild]:
    """Work on a build while the block runs; without binners its sources are listed and copied, no more."""
    running = RunningBuild(home, request, binners)
    with engine_of(home, binners=binners, needed_workers=running.open) as engine:
        running.engine = engine
        yield running


def ask(store: Store | None, request: BuildRequest) -> OpenedBuild:
    """Ask the ledger for a build, and see that what is said to be done still stands in the store."""
    opened = _open(request)
    if store is not None and heal(store, opened):
        # What was lost may be made again as another release, which is to be pushed where this one was.
        opened = _open(request)
    return opened


def queue_build(home: Home, request: BuildRequest) -> str:
    """Put a build into a ledger that workers listen to, and say what became of it.

    Raises `CallError` where no workers listen.
    """
    store = store_of(home)
    if settings().database_url is None:
        running = running_address(home)
        if running is None:
            raise CallError(
                f"Nothing runs in {home.path}: set SPIKEMILL_DATABASE_URL to a deployment's ledger, give the "
                "--home of a running build, or use spikemill build."
            )
        use_ledger(running.database_url)
    if store is not None:
        with transaction() as ledger:
            store.claim_for(files.ledger_id(ledger))
    opened = ask(store, request)
    return f"Build {opened.build} of {request.pile}: {_told(opened, len(request.sources))}."


def _told(opened: OpenedBuild, sources: int) -> str:
    with transaction() as ledger:
        status = build_status.status_of(ledger, opened.build)
    if status.state != BuildState.OPEN:
        return "nothing to do, the pile stands"
    if status.release_state == ReleaseState.PUBLISHED:
        return f"the pile stands; its push to {status.hub} is queued"
    return f"{count(sources, 'source')} queued"


def _open(request: BuildRequest) -> OpenedBuild:
    with transaction() as ledger:
        return planning.open_build(ledger, request)


def use_ledger(address: str) -> None:
    """Let this process work with the ledger at an address."""
    decide(database_url=address)


def _prepare(home: Home, address: Address, *, owns_ledger: bool) -> None:
    use_ledger(address.database_url)
    migrate()
    with transaction() as ledger:
        FolderStore(home.path).claim_for(files.ledger_id(ledger))
        if owns_ledger:
            sweep.reclaim_older_boots(ledger, address.boot)
            messages.forget_messages(ledger)
            sweep.note_start(ledger)


def _tell_of_death(_address: Address, death: Death) -> None:
    """Give back at once what a dead worker held: its leases would take minutes to end."""
    with transaction() as ledger:
        sweep.expire_worker(ledger, death.worker, end_of(death.status))
