"""Which tests may skip: `skips.txt` names each under the place where it must run; others fail the run."""

from collections.abc import Mapping
from pathlib import Path

import pytest

NAMED = Path(__file__).with_name("skips.txt")


class Skips:
    """A plugin that lets a run fail where a test skips that may not; register it where reports arrive."""

    def __init__(self, named: Path = NAMED) -> None:
        """Read who may skip."""
        self._named = named
        self._places = places(named.read_text())
        self._unnamed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at what became of a test."""
        self._look_at(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Look at what became of a module: it may skip as a whole, and then no test of it is told of."""
        self._look_at(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let the run fail."""
        if self._unnamed and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what may not skip."""
        if not self._unnamed:
            return
        terminalreporter.section(f"skipped, and not named in {self._named.name}", red=True)
        for name, reason in sorted(self._unnamed.items()):
            terminalreporter.line(f"{name}: {reason}")

    def _look_at(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        name = name_of(report.nodeid)
        if report.skipped and name not in self._places:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._unnamed[name] = reason.removeprefix("Skipped: ")


def places(text: str) -> Mapping[str, str]:
    """Return where each test that may skip must run.

    Raises:
        ValueError: A test stands under no place, or twice.
    """
    found: dict[str, str] = {}
    place = None
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        if line.startswith("["):
            place = line.strip("[]")
        elif place is None or line in found:
            raise ValueError(f"{line} stands {'twice' if place else 'under no place'}")
        else:
            found[line] = place
    return found


def name_of(nodeid: str) -> str:
    """Return the name of a test without its parameters."""
    return nodeid.partition("[")[0]
