"""The engine of one machine: Postgres, the broker, the sweeper and the workers."""

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import SecretStr

from spikemill.services.cli.local.broker import running_broker, socket_folder
from spikemill.services.cli.local.children import Child, StopStep
from spikemill.services.cli.local.fork_server import ForkServer
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.postgres import running_postgres, user_for
from spikemill.services.cli.local.supervisor import Death, Supervisor, crash_reports, interrupts
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.kinds import BINNER, STREAMER, WORKER_KINDS, WorkerKind

# A command that only reads the ledger holds the home for a few seconds, a look at the lock for an instant:
# wait for both.
_PATIENCE = 10.0
_PATIENCE_BESIDE_ENGINE = 0.5
_POLL = 0.05
SWEEPER = "sweeper"
_STOP_SWEEPER = (StopStep(signal.SIGTERM, 5.0),)
# A short job may end by itself; then QUIT has the workers give their leases back.
_STOP_WORKER = (StopStep(signal.SIGTERM, 2.0), StopStep(signal.SIGQUIT, 10.0))
# Enough to tell one start from another, where people see the worker's name.
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Address:
    """The addresses of one start of the engine; `boot` names that start and no other."""

    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    pid: int
    boot: str

    def environment(self) -> dict[str, str]:
        """Return what a child needs in its environment to reach the engine."""
        return {
            "SPIKEMILL_DATABASE_URL": self.database_url,
            "SPIKEMILL_BROKER_URL": self.broker_url,
            "SPIKEMILL_BOOT": self.boot,
        }


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine: where it is reached, and its processes; `add` keeps one more child running."""

    address: Address
    supervisor: Supervisor
    add: Callable[[Child], None]

    def check(self) -> None:
        """Raise an EngineError if one of the processes cannot be kept running."""
        self.supervisor.check()

    def add_missing(self, children: Iterable[Child]) -> None:
        """Keep these running too, but none a second time."""
        for child in children:
            if not self.supervisor.keeps(child.name):
                self.add(child)


@contextmanager
def running_engine(
    home: Home,
    *,
    prepare: Callable[[Address], None] | None = None,
    on_death: Callable[[Death], None] | None = None,
) -> Iterator[Engine]:
    """Run Postgres and the broker until the block ends or Ctrl-C; the block adds the sweeper and the workers.

    Afterwards no process is left.

    Args:
        home: Where everything of the build lies.
        prepare: Called when the ledger can be reached, before other commands can find it: migrations.
        on_death: Called with each death of a child, from another thread, until it succeeds once.

    Raises:
        CallError: Another supervisor works in this home, or Postgres cannot run in it.
        EngineError: A process cannot be started.
    """
    boot = uuid.uuid4().hex
    home.create()
    with ExitStack() as stack:
        presses = stack.enter_context(interrupts())
        stack.enter_context(_held(home))
        forks = stack.enter_context(closing(ForkServer(home.log("fork-server"))))
        supervisor = Supervisor(boot, presses, forks)
        address = _start_servers(home, boot, stack, supervisor)
        if prepare is not None:
            prepare(address)
        stack.enter_context(published(home, address))
        report = stack.enter_context(crash_reports(on_death)) if on_death else None
        add = stack.enter_context(supervisor.running(report=report))
        yield Engine(address, supervisor, add)


@contextmanager
def ledger_address(home: Home) -> Iterator[str]:
    """Give the address of the home's database, and start Postgres alone where nothing runs.

    Raises:
        CallError: There is no ledger in this home.
    """
    if given := _given(settings().database_url):
        yield given
    elif running := _address_soon(home):
        yield running.database_url
    elif not home.clusters():
        raise CallError(f"there is no ledger in {home.path}: build there first, or give its --home")
    else:
        with ExitStack() as stack:
            supervisor = Supervisor(uuid.uuid4().hex, stack.enter_context(interrupts()))
            stack.enter_context(_held(home))
            user = user_for(home)
            sockets = stack.enter_context(socket_folder(home, user))
            yield stack.enter_context(running_postgres(home, sockets, user, supervisor))


def _address_soon(home: Home) -> Address | None:
    """Return the running engine's address, waiting a while for one that is just starting."""
    deadline = time.monotonic() + _PATIENCE
    while home.in_use() and time.monotonic() < deadline:
        if address := running_address(home):
            return address
        time.sleep(_POLL)
    return None


def _start_servers(home: Home, boot: str, stack: ExitStack, supervisor: Supervisor) -> Address:
    """Start Postgres and the broker, each unless its address is given; both stop with the stack."""
    database, broker = _given(settings().database_url), _given(settings().broker_url)
    user = None if database else user_for(home)
    sockets = stack.enter_context(socket_folder(home, user))
    if database is None:
        database = stack.enter_context(running_postgres(home, sockets, user, supervisor))
    if broker is None:
        broker = stack.enter_context(running_broker(home, sockets, supervisor))
    return Address(database, broker, pid=os.getpid(), boot=boot)


def _given(address: SecretStr | None) -> str | None:
    return address.get_secret_value() if address else None


@contextmanager
def _held(home: Home) -> Iterator[None]:
    """Hold the home: a running engine refuses, a command that only asks is waited for."""
    with home.locked(patience=_PATIENCE_BESIDE_ENGINE if running_address(home) else _PATIENCE):
        forget_address(home)
        yield


@contextmanager
def published(home: Home, address: Address) -> Iterator[None]:
    """Let other commands find the engine while the block runs; the caller holds the home's lock."""
    path = _address_file(home)
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    # The addresses may carry a password.
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(address), file)
    aside.replace(path)
    try:
        yield
    finally:
        forget_address(home)


def forget_address(home: Home) -> None:
    """Remove the address; after a kill it names an engine that is gone. The caller holds the home's lock."""
    _address_file(home).unlink(missing_ok=True)


def running_address(home: Home) -> Address | None:
    """Return the address of the engine that runs in this home, or None where none does."""
    if not home.in_use():
        return None
    try:
        return Address(**json.loads(_address_file(home).read_text()))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise CallError(
            f"{home.path} is being built by another user: run as that user, or as root"
        ) from error


def _address_file(home: Home) -> Path:
    return home.state / "address.json"


def build_children(
    home: Home, address: Address, *, binners: int, kinds: Iterable[WorkerKind] = WORKER_KINDS.values()
) -> list[Child]:
    """Return the children of a build: the sweeper and the workers of these kinds."""
    sweeper = python_child(SWEEPER, ["spikemill.services.sweeper"], home, address, _STOP_SWEEPER)
    return [sweeper, *build_workers(home, address, kinds, binners=binners)]


def build_workers(
    home: Home, address: Address, kinds: Iterable[WorkerKind], *, binners: int
) -> Iterator[Child]:
    """Yield the workers of these kinds; without binners nothing is counted.

    As many stream as bin: they wait for the network, and then count.
    """
    for kind in kinds:
        processes = binners if kind in (BINNER, STREAMER) else kind.processes
        if processes:
            # The host part of the worker's name tells one start from another.
            arguments = kind.arguments(host=address.boot[:_SHORT], processes=processes)
            yield python_child(kind.name, arguments, home, address, _STOP_WORKER)


def python_child(
    name: str, module: Sequence[str], home: Home, address: Address, stop_steps: Sequence[StopStep]
) -> Child:
    """Return a child that runs a Python module with its arguments, in the home, for this engine.

    What lies in the home is never imported.
    """
    places = {"SPIKEMILL_STORE": str(home.path), "SPIKEMILL_SPOOL": str(home.spool)}
    python = {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return Child(
        name=name,
        command=[sys.executable, "-m", *module],
        environment={**os.environ, **address.environment(), **places, **python},
        folder=home.path,
        log=home.log(name),
        stop_steps=stop_steps,
        forks=True,
    )
