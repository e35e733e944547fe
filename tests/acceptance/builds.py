"""Builds as a person runs them: the command as a process, with a home, a catalogue and an archive."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spikemill.services.cli.local.home import Home
from standins.archive.server import ArchiveServer
from tests.acceptance.questions import Questions, questions_of
from tests.acceptance.running_builds import RunningBuild
from tests.harness.forked_programs import Finished, run_program

COMMAND = str(Path(sys.executable).with_name("spikemill"))
ENTRY = "spikemill.services.cli.entry"
"""The module whose `main` the command is."""
DEMO = "5af058507b52b11e7372d09304b4e6af5ccbfaeddd44a02ac74cde02a85f1b71"
"""The sha256 of the demo's pile, on every machine and in every deployment."""
# The archives stand on this machine, and nobody wants to wait a second for the sweeper.
_HASTE = {"SPIKEMILL_REQUESTS_PER_MINUTE": "60000", "SPIKEMILL_SWEEP": "PT0.5S"}


@dataclass
class Place:
    """A home, and what is built in it."""

    folder: Path
    catalogue: Path
    archive: ArchiveServer
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        """The home of the builds."""
        return Home(self.folder)

    def run(self, *arguments: str) -> Finished:
        """Run the command to its end."""
        return run_program(ENTRY, *arguments, environment=self._environment(), folder=self.folder.parent)

    def ask(self, command: str, *arguments: str) -> Finished:
        """Run a command that needs nothing but the home."""
        return self.run(command, *arguments, "--home", str(self.folder))

    def build(self, *options: str) -> Finished:
        """Build to the end."""
        return self.run(*self._build(*options))

    def must_build(self, *options: str) -> dict[str, str]:
        """Build, and return the digests of the pile's files."""
        finished = self.build(*options)
        assert finished.returncode == 0, finished
        return pile_of(self.home)

    def queue(self, *sources: str) -> Finished:
        """Put sources into the ledger of the deployment that runs in the home."""
        return self.ask("queue", *sources, "--catalog", str(self.catalogue))

    @contextmanager
    def building(self, *options: str) -> Iterator[RunningBuild]:
        """Build beside the block; what still runs at its end is killed."""
        with self.running([COMMAND, *self._build(*options)]) as build:
            yield build

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[RunningBuild]:
        """Run a command that starts the engine beside the block; what still runs at its end is killed."""
        output = self.folder.with_suffix(".out")
        with output.open("w") as file:
            process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.folder.parent,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        running = RunningBuild(process, self.home, output)
        try:
            yield running
        finally:
            running.kill_everything()

    def status_text(self) -> str:
        """Return what `spikemill status` says to programs, as text that is known to be JSON."""
        answer = self.ask("status", "--json")
        assert json.loads(answer.stdout), answer
        return answer.stdout

    @contextmanager
    def ledger(self) -> Iterator[Questions]:
        """Ask the ledger of a home in which nothing runs."""
        with questions_of(self.home) as questions:
            yield questions

    def _build(self, *options: str) -> list[str]:
        return ["build", "--home", str(self.folder), "--catalog", str(self.catalogue), *options]

    def _environment(self) -> dict[str, str]:
        apis = {
            "SPIKEMILL_DANDI_API": self.archive.dandi_api,
            "SPIKEMILL_FIGSHARE_API": self.archive.figshare_api,
        }
        return {**os.environ, **_HASTE, **apis, **self.environment}


NewPlace = Callable[..., Place]
"""Makes a place of an archive, the sources of its catalogue, and an `environment` beside the usual one."""


def pile_of(home: Home) -> dict[str, str]:
    """Return the sha256 of every file of the pile, by name."""
    files = sorted(path for path in home.pile.rglob("*") if path.is_file())
    return {
        path.relative_to(home.pile).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
