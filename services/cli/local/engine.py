"""The whole engine of one machine, and the ledger's database alone."""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from services.cli.local.address import Address, forget_address, published, running_address
from services.cli.local.broker import running_broker
from services.cli.local.children import Child
from services.cli.local.deaths import death_reports
from services.cli.local.fork_server import forking
from services.cli.local.home import Home
from services.cli.local.interrupts import interrupts
from services.cli.local.keeper import Death
from services.cli.local.plain_user import user_for
from services.cli.local.postgres import running_postgres
from services.cli.local.sockets import socket_folder
from services.cli.local.supervisor import Supervisor
from services.common.errors import CallError
from services.common.settings import settings

# A command that only asks the ledger holds the home for a few seconds, and a look at the lock for an instant:
# those are waited for.
_PATIENCE = 10.0
_PATIENCE_BESIDE_ENGINE = 0.5
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine: where it is reached, and whether its processes keep running."""

    home: Home
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
    prepare: Callable[[Address], None],
    children: Callable[[Home, Address], Sequence[Child]],
    on_death: Callable[[Address, Death], None],
) -> Iterator[Engine]:
    """Run Postgres, the broker, then the children, until the block ends or Ctrl-C; then leave no process.

    Args:
        home: Where everything of the build lies.
        prepare: Called when the ledger can be reached, before any child starts: migrations, older boots.
        children: The sweeper and the workers, for the addresses of this start.
        on_death: Told of each death of a child, from another thread, until it succeeds once.

    Raises:
        CallError: Another supervisor works in this home, or Postgres cannot run in it.
        EngineError: A process cannot be started.
    """
    boot = uuid.uuid4().hex
    home.create()
    with ExitStack() as stack:
        presses = stack.enter_context(interrupts())
        stack.enter_context(_held(home))
        supervisor = Supervisor(boot, presses, stack.enter_context(forking(home.log("fork-server"))))
        address = _start_servers(home, boot, stack, supervisor)
        prepare(address)
        stack.enter_context(published(home, address))
        reports = stack.enter_context(death_reports(partial(on_death, address)))
        first = children(home, address)
        add = stack.enter_context(supervisor.running(*first, report=reports.report))
        yield Engine(home, address, supervisor, add)


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
    else:
        with _postgres_alone(home) as started:
            yield started


def _address_soon(home: Home) -> Address | None:
    """Return the running engine's address, waiting a while for one that is just starting."""
    deadline = time.monotonic() + _PATIENCE
    while home.in_use() and time.monotonic() < deadline:
        if address := running_address(home):
            return address
        time.sleep(_POLL)
    return None


@contextmanager
def _postgres_alone(home: Home) -> Iterator[str]:
    """Run the home's Postgres without the rest."""
    if not home.clusters():
        raise CallError(f"there is no ledger in {home.path}: build there first, or give its --home")
    with ExitStack() as stack:
        supervisor = Supervisor(uuid.uuid4().hex, stack.enter_context(interrupts()))
        stack.enter_context(_held(home))
        user = user_for(home)
        sockets = stack.enter_context(socket_folder(home, user))
        yield stack.enter_context(running_postgres(home, sockets, user, supervisor))


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
    """Return an address from the settings as a text."""
    return address.get_secret_value() if address else None


@contextmanager
def _held(home: Home) -> Iterator[None]:
    """Hold the home: a running engine refuses, a command that only asks is waited for."""
    with home.locked(patience=_PATIENCE_BESIDE_ENGINE if running_address(home) else _PATIENCE):
        forget_address(home)
        yield
