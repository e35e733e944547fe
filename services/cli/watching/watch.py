"""Looks at a build until it ends: it is released, it can go no further, or somebody stopped it."""

import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from services.cli.ledger_of_home import current_build, ledger_of
from services.cli.local.address import running_address
from services.cli.local.home import Home
from services.cli.printing import output
from services.cli.watching.snapshot import Snapshot, read_snapshot
from services.cli.watching.views import View, view_on
from services.common.database import patiently, transaction
from services.common.ledger import build_status
from services.common.models.builds import BuildState
from services.common.settings import settings

_PAUSE = 0.5
_PATIENCE = 300.0


class Ending(Enum):
    """How a build ended."""

    RELEASED = auto()
    STUCK = auto()
    CANCELLED = auto()
    SUPERSEDED = auto()
    ENOUGH = auto()


_ENDINGS = {
    BuildState.RELEASED: Ending.RELEASED,
    BuildState.CANCELLED: Ending.CANCELLED,
    BuildState.SUPERSEDED: Ending.SUPERSEDED,
}


def _never(_snapshot: Snapshot) -> bool:
    return False


def watch(
    build: int, view: View, *, check: Callable[[], None], enough: Callable[[Snapshot], bool] = _never
) -> tuple[Ending, Snapshot]:
    """Show a build until it ends, or until there is enough of it.

    A build that sources were added to goes on as another one, which is then shown. `check` raises where the
    engine cannot go on. A Postgres that comes back in time is waited for.
    """

    def look() -> Snapshot:
        check()
        return _read_present(build)

    idle_since: float | None = None
    while True:
        snapshot = patiently(look, seconds=_PATIENCE)
        build = snapshot.status.build
        view.show(snapshot)
        if enough(snapshot):
            return Ending.ENOUGH, snapshot
        if ending := _ENDINGS.get(BuildState(snapshot.status.state)):
            return ending, snapshot
        idle_since = None if snapshot.status.runnable else idle_since or snapshot.taken_at
        if idle_since is not None and snapshot.taken_at - idle_since > _round():
            return Ending.STUCK, snapshot
        time.sleep(_PAUSE)


class _EngineEndedError(Exception):
    """The engine that was watched has stopped."""


def watch_home(home: Home) -> None:
    """Show the build of a home until it ends; where nothing works there is nothing to watch."""
    is_deployment = settings().database_url is not None

    def check() -> None:
        if not is_deployment and running_address(home) is None:
            raise _EngineEndedError

    with ledger_of(home) as has_workers, suppress(_EngineEndedError):
        with transaction() as ledger:
            build = current_build(ledger)
        if has_workers:
            with view_on(output()) as view:
                watch(build, view, check=check)


def _read_present(build: int) -> Snapshot:
    """Read how the build stands, or the one that it has become."""
    snapshot = read_snapshot(build)
    while snapshot.status.state == BuildState.SUPERSEDED:
        with transaction() as ledger:
            successor = build_status.successor_of(ledger, snapshot.status.build)
        if successor is None:
            return snapshot
        snapshot = read_snapshot(successor)
    return snapshot


def _round() -> float:
    """Return how long the sweeper may take to notice what became possible."""
    return 1.0 + settings().sweep.total_seconds()
