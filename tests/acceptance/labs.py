"""A lab's own folder of small made-up recordings, and the command as a person runs it beside it."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import psycopg

from spikemill.services.cli.local.engine import ledger_address
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.made_up import Recording, write_recording
from tests.acceptance.builds import COMMAND, ENTRY
from tests.harness.forked_programs import Finished, run_program

_CATALOGUE = """
[pile]
name = "lab"
{keys}

[[source]]
name = "lab"
archive = "files"
identifier = "{folder}"
include = {include}
species = "mouse"
expect = {{ sessions = 4 }}
"""


@dataclass(frozen=True)
class Lab:
    """A folder that holds recordings, catalogues and homes."""

    folder: Path

    @property
    def recordings(self) -> Path:
        """The folder of the recordings."""
        return self.folder / "recordings"

    def add(self, name: str, **odd: Any) -> None:
        """Add a recording of a few thousand tokens."""
        path = self.recordings / "sub-1" / f"{name}.nwb"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_recording(Recording("1", name, **({"units": 5, "seconds": 30} | odd)), path)

    def add_empty(self, name: str) -> None:
        """Add a file that is no recording."""
        path = self.recordings / "sub-1" / f"{name}.nwb"
        path.parent.mkdir(parents=True, exist_ok=True)
        h5py.File(path, "w").close()

    def catalogue(self, *include: str, recordings: Path | None = None, **pile: float) -> str:
        """Write the catalogue that takes the files that match the patterns; return its path."""
        path = self.folder / "lab.toml"
        patterns = json.dumps(list(include or ("**/*.nwb",)))
        keys = "\n".join(f"{key} = {value}" for key, value in pile.items())
        folder = recordings or self.recordings
        path.write_text(_CATALOGUE.format(keys=keys, folder=folder, include=patterns))
        return str(path)

    def home(self, name: str = "home") -> Home:
        """Name a home in this folder."""
        return Home(self.folder / name)

    def command(self, name: str, *arguments: str, home: str | None = "home") -> Sequence[str]:
        """Return a command line; with a home unless that is None."""
        return [COMMAND, name, *arguments, *(() if home is None else ("--home", str(self.home(home).path)))]

    def run(self, name: str, *arguments: str, home: str | None = "home", **settings: str) -> Finished:
        """Run a command to its end."""
        _, *words = self.command(name, *arguments, home=home)
        return run_program(ENTRY, *words, environment=_environment(settings), folder=self.folder)

    @contextmanager
    def running(
        self, name: str, *arguments: str, home: str = "home", **settings: str
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a command beside the block; what still runs at its end is killed."""
        with (
            _interruptible(),
            subprocess.Popen(
                self.command(name, *arguments, home=home),
                env=_environment(settings),
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def ask(self, question: str, home: str = "home") -> list[tuple[Any, ...]]:
        """Ask the ledger of a home in which nothing runs."""
        with ledger_address(self.home(home)) as address, psycopg.connect(address) as connection:
            return connection.execute(question.encode()).fetchall()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a child take SIGINT: a shell in the background ignores it, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """Return the environment of a command: of our own settings only those that are given."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("SPIKEMILL_")}
    return bare | {"SPIKEMILL_SWEEP": "PT0.5S", "COLUMNS": "80"} | settings
