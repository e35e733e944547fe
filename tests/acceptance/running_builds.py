"""A build that runs beside a test: what it does, its processes, and their end."""

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spikemill.services.cli.local.home import Home
from tests.acceptance.processes import children_of, descendants_of, eventually, kill
from tests.acceptance.questions import Questions

_SWEEPER_HEARTBEAT = "SELECT heartbeat_at FROM ledger_mark"


@dataclass
class RunningBuild:
    """A process that runs the engine of a home; what it says goes into a file."""

    process: subprocess.Popen[bytes]
    home: Home
    output: Path

    def __post_init__(self) -> None:
        """Prepare to ask the ledger, which may only be there later."""
        self.ledger = Questions(lambda: self._address()["database_url"])

    def database_url(self) -> str:
        """Return the address of the ledger."""
        return self._address()["database_url"]

    def broker_url(self) -> str:
        """Return the address of the broker, in Celery's form."""
        return self._address()["broker_url"]

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for a condition; raises AssertionError where the build ends before it holds."""
        return eventually(lambda: condition() or self._must_run())

    def outlast_sweeps(self, count: int) -> None:
        """Wait until the sweeper has been around so often."""
        for _ in range(count):
            self.until(partial(self._was_swept_after, self.ledger.one(_SWEEPER_HEARTBEAT)))

    def child(self, command: str) -> int:
        """Return the process of the engine whose command or title holds a text."""
        return int(self.until(lambda: self.find(command)))

    def find(self, command: str) -> int | None:
        """Return such a process, None where there is none."""
        children = children_of(self.process.pid)
        # Python's own are forked by one of them.
        found = children | {pid: text for child in children for pid, text in children_of(child).items()}
        return next((pid for pid, text in found.items() if command in text), None)

    def end(self) -> int:
        """Wait for the end of the build and return its exit status."""
        return self.process.wait()

    def kill_everything(self) -> None:
        """Kill every process at once, so that none can tell of another's death or start it again."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGSTOP)
        for process in [*descendants_of(self.process.pid), self.process.pid]:
            kill(process)
        self.process.wait()

    def _was_swept_after(self, moment: object) -> bool:
        return bool(self.ledger.one(_SWEEPER_HEARTBEAT) != moment)

    def _address(self) -> dict[str, str]:
        """Return where the engine is reached, once this process has made it known."""
        address: dict[str, str] = self.until(self._published_address)
        return address

    def _published_address(self) -> dict[str, Any] | None:
        try:
            address: dict[str, Any] = json.loads((self.home.state / "address.json").read_text())
        except FileNotFoundError:
            return None
        return address if address["pid"] == self.process.pid else None

    def _must_run(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return False
