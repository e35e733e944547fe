"""The whole build on one machine: start the engine, ask for the build, watch it, report, stop."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import typer

from spikemill.services.cli.format import count, output, print_error
from spikemill.services.cli.home import decided_for_now, store_of, use_ledger
from spikemill.services.cli.local.engine import (
    SWEEPER,
    Address,
    Engine,
    build_children,
    build_workers,
    running_address,
    running_engine,
)
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Death
from spikemill.services.cli.main import FAILED, INTERRUPTED
from spikemill.services.cli.report import Outcome, tell
from spikemill.services.cli.watch import read_snapshot, view_on, watch
from spikemill.services.common.archives import version_facts
from spikemill.services.common.catalog import Catalogue, Source, load_catalogue
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError
from spikemill.services.common.hub_target import WITHOUT_PUSH, HubTarget, require_redistributable
from spikemill.services.common.ledger import build_queries, builds, dispatch, pushes, release_queries, repair
from spikemill.services.common.ledger.builds import BuildRequest, OpenedBuild, SourceRequest
from spikemill.services.common.ledger.sessions import fetch_modes_of
from spikemill.services.common.migrate import migrate
from spikemill.services.common.models import BuildState, JobKind, ReleaseState
from spikemill.services.common.process import process_exit_of
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.settings import settings
from spikemill.services.common.store import FolderStore, Store
from spikemill.services.common.types import digest
from spikemill.services.common.worker.kinds import DOWNLOADER, MERGER, QUEUE_OF_KIND, WORKER_KINDS, WorkerKind
from spikemill.services.merger.provenance import CARD, PROVENANCE, pile_file, pile_folder

_PAPERS = (PROVENANCE, CARD)


def run_build(home: Home, request: BuildRequest, *, workers: int) -> None:
    """Build until the pile stands, and say what was done.

    Raises `typer.Exit` where no pile could be made, or the build was interrupted.
    """
    with interruption_told():
        outcome = _build(home, request, workers)
    if not tell(outcome, home, output()):
        raise typer.Exit(FAILED)


@contextmanager
def interruption_told() -> Iterator[None]:
    """Say after Ctrl-C that nothing is lost; raises `typer.Exit`."""
    try:
        yield
    except KeyboardInterrupt:
        print_error("Stopped. Run the same command again: it goes on where this one ended.")
        raise typer.Exit(INTERRUPTED) from None


def _build(home: Home, request: BuildRequest, workers: int) -> Outcome:
    began = time.monotonic()
    with running_build(home, request, binners=workers) as running:
        first = read_snapshot(running.build)
        with view_on(output()) as view:
            ending, last = watch(running.build, view, check=running.check)
        build = last.status.build
        with transaction() as ledger:
            return Outcome(
                ending=ending,
                last=last,
                counts=build_queries.tokens_of(ledger, build),
                left_out=build_queries.left_out_of(ledger, build),
                sessions_binned=last.sessions_done - first.sessions_done,
                seconds=time.monotonic() - began,
                worked=first.status.state == BuildState.OPEN,
                push=request.push,
                commit=pushes.commit_of(ledger, build, request.push) if request.push else None,
            )


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
    prepare = partial(_prepare, home, owns_ledger=owns_ledger)
    with decided_for_now(), running_engine(home, prepare=prepare, on_death=_expire_dead_worker) as engine:
        if kinds := needed_workers():
            engine.add_missing(build_children(home, engine.address, binners=binners, kinds=kinds))
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
        self.build = request_build(FolderStore(self.home.path), self.request).build
        with transaction() as ledger:
            if build_queries.status_of(ledger, self.build).state != BuildState.OPEN:
                return ()
            runnable = _workers_for(dispatch.runnable_kinds(ledger))
        if runnable == [MERGER]:
            # All that it takes is there; where some of it turns out to be lost, `check` starts more.
            return runnable
        counting = {fetch_modes_of(source.config)[0] for source in self.request.sources}
        return [DOWNLOADER, *_workers_for(counting), MERGER]

    def check(self) -> None:
        """Raise an EngineError if a process cannot be kept running; start workers that are needed by now.

        A source may be added to a build that runs, or copied because it cannot be streamed.
        """
        self.engine.check()
        if not self.engine.supervisor.keeps(SWEEPER):
            return
        with transaction() as ledger:
            runnable = dispatch.runnable_kinds(ledger)
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


def request_build(store: Store | None, request: BuildRequest) -> OpenedBuild:
    """Ask the ledger for a build, and see that what is said to be done still stands in the store."""
    opened = _open(request)
    if store is not None and reopen_missing_outputs(store, opened):
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
            store.assert_owner(repair.ledger_id(ledger))
    opened = request_build(store, request)
    return f"Build {opened.build} of {request.pile}: {_told(opened, len(request.sources))}."


def _told(opened: OpenedBuild, sources: int) -> str:
    with transaction() as ledger:
        status = build_queries.status_of(ledger, opened.build)
    if status.state != BuildState.OPEN:
        return "nothing to do, the pile stands"
    if status.release_state == ReleaseState.PUBLISHED:
        return f"the pile stands; its push to {status.hub} is queued"
    return f"{count(sources, 'source')} queued"


def _open(request: BuildRequest) -> OpenedBuild:
    with transaction() as ledger:
        return builds.open_build(ledger, request)


def _prepare(home: Home, address: Address, *, owns_ledger: bool) -> None:
    use_ledger(address.database_url)
    migrate()
    with transaction() as ledger:
        FolderStore(home.path).assert_owner(repair.ledger_id(ledger))
        if owns_ledger:
            dispatch.reclaim_older_boots(ledger, address.boot)
            dispatch.forget_messages(ledger)
            dispatch.note_start(ledger)


def _expire_dead_worker(death: Death) -> None:
    """Give back at once what a dead worker held: its leases would take minutes to end."""
    with transaction() as ledger:
        dispatch.expire_worker(ledger, death.worker, process_exit_of(death.status))


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a person may say about a build beside its catalogue."""

    session_limit: int | None = None
    allow_missing: bool = False
    adds_to_open_build: bool = False
    push: HubTarget | None = None


def named_catalogue(name: str | None, sources: Collection[str] | None) -> Catalogue:
    """Return the catalogue that a person named, or the settings do, with the named sources alone.

    The sources that the settings name are those of the catalogue that the settings name.
    """
    if name is not None:
        return load_catalogue(name).only(sources or ())
    usual = settings().catalog
    if usual is None:
        raise CallError("Name a catalogue: --catalog FILE.toml, or SPIKEMILL_CATALOG.")
    return load_catalogue(usual).only(sources or settings().sources.split())


def build_request(catalogue: Catalogue, options: BuildOptions) -> BuildRequest:
    """Return what is asked of the ledger.

    Raises `CallError` where a folder of recordings is missing, or a source may not be pushed as is wanted.
    """
    if options.push is not None:
        described = [source.describe() for source in catalogue.sources]
        require_redistributable(described, otherwise=WITHOUT_PUSH)
    # A pile names its sources by name, so their order in the catalogue makes no other release.
    in_order = sorted(catalogue.sources, key=lambda source: source.name)
    sources = [source.with_api(settings()) for source in in_order]
    texts = [catalogue.pile.notes, *(source.describe() for source in sources)]
    return BuildRequest(
        pile=catalogue.pile.name,
        notes=catalogue.pile.notes or None,
        sources=[_source_request(source) for source in sources],
        # The card is part of a release: other texts make another one.
        parameters=catalogue.pile.parameters.model_dump() | {"texts": digest(texts)},
        session_limit=options.session_limit,
        allow_missing=options.allow_missing,
        adds_to_open_build=options.adds_to_open_build,
        push=options.push,
    )


def _source_request(source: Source) -> SourceRequest:
    return SourceRequest(
        digest=digest([version_facts(source), FORMAT_ID]),
        name=source.name,
        archive=source.archive,
        api=getattr(source, "api", None) or "",
        config=source.model_dump(mode="json"),
        format_id=FORMAT_ID,
        expected=source.expect.model_dump(exclude_none=True) if source.expect else {},
    )


def reopen_missing_outputs(store: Store, opened: OpenedBuild) -> bool:
    """Reopen what lost its output, and tell whether a published release did.

    What a published release needs no more is left alone.
    """
    if opened.is_published:
        return _heal_release(store, opened.release)
    _heal_chunks(store, opened.build)
    return False


def _heal_chunks(store: Store, build_id: int) -> None:
    standing = store.files("chunks")
    with transaction() as ledger:
        for chunk in release_queries.chunks_of(ledger, build_id):
            if standing.get(chunk.name) != chunk.bytes:
                repair.reopen_session(ledger, chunk.session, f"Chunk {chunk.name} is gone.")


def _heal_release(store: Store, release_id: int) -> bool:
    """Write lost files of a published release again, else let the pile be this release."""
    with transaction() as ledger:
        release, _ = release_queries.release_of(ledger, release_id)
        digest = release.digest or ""
        standing = store.files(pile_folder(digest))
        shards = release_queries.shards_of(ledger, release_id)
        lost = [shard.id for shard in shards if standing.get(pile_file(digest, shard.name)) != shard.bytes]
        if lost or any(pile_file(digest, paper) not in standing for paper in _PAPERS):
            repair.reopen_release(ledger, release_id, lost)
            return True
        if store.pile() != digest:
            store.switch_pile(digest)
    return False
