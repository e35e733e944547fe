"""Runs the children of one start of the engine in groups; the group started last is stopped first."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.cli.local.children import Child, start
from services.cli.local.fork_server import ForkServer
from services.cli.local.interrupts import Interrupts
from services.cli.local.keeper import Death, Keeper

_POLL = 0.05


def tell_nobody(_death: Death) -> None:
    """Pass over a death that no ledger needs to know."""


class Supervisor:
    """Keeps groups of children running; each incarnation finds its name in SPIKEMILL_WORKER."""

    def __init__(self, boot: str, interrupts: Interrupts, forks: ForkServer | None = None) -> None:
        """Prepare a start named `boot`; `forks` starts the children that may be forked."""
        self._boot = boot
        self._forks = forks
        self._interrupts = interrupts
        self._keepers: list[Keeper] = []

    @contextmanager
    def running(
        self, *children: Child, report: Callable[[Death], None] = tell_nobody
    ) -> Iterator[Callable[[Child], None]]:
        """Keep the children running while the block runs; afterwards none of their processes is left.

        Yields a function that adds a child to them. `report` is told of each death that nobody asked for, and
        must return at once.
        """
        group: list[Keeper] = []

        def add(child: Child) -> None:
            forks = self._forks if child.forks else None
            start_child = start if forks is None else forks.start
            keeper = Keeper(child, self._boot, report, self._interrupts.presses, start_child)
            group.append(keeper)
            self._keepers.append(keeper)
            keeper.start()

        try:
            for child in children:
                add(child)
            yield add
        finally:
            self._interrupts.expect_end()
            self._keepers = [keeper for keeper in self._keepers if keeper not in group]
            _stop(group)

    def keeps(self, name: str) -> bool:
        """Tell whether a child of this name is kept running."""
        return any(keeper.child.name == name for keeper in self._keepers)

    def check(self) -> None:
        """Raise an EngineError if a child cannot be kept running, KeyboardInterrupt if one was lost."""
        self._interrupts.check()
        for keeper in self._keepers:
            keeper.check()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait as long as it takes; raise an EngineError if a child cannot be kept running."""
        while not ready():
            self.check()
            time.sleep(_POLL)


def _stop(group: list[Keeper]) -> None:
    """Ask all of a group to stop, then wait for each that was started."""
    for keeper in group:
        keeper.ask_to_stop()
    for keeper in group:
        if keeper.ident is not None:
            keeper.join()
