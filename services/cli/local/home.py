"""The folder of a one-machine build, and the lock that lets one supervisor work in it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spikemill.services.common.errors import CallError

_POLL = 0.05


class Home:
    """Where everything of a build lies: the pile, the chunks, the ledger and the logs."""

    def __init__(self, path: Path) -> None:
        # Absolute: the children work in other folders.
        self.path = path.absolute()
        # The link to the newest of the released piles.
        self.pile = self.path / "pile"
        self.piles = self.path / "piles"
        # Binned sessions, and copied assets that wait to be binned.
        self.chunks = self.path / "chunks"
        self.spool = self.path / "spool"
        # The ledger's cluster, the lock and the engine's address.
        self.state = self.path / "state"
        self.logs = self.path / "logs"
        self._lock_path = self.state / "lock"

    def log(self, process: str) -> Path:
        """Return the log of a process."""
        return self.logs / f"{process}.log"

    def clusters(self) -> list[Path]:
        """Return the folders that hold a finished Postgres cluster, oldest version first."""
        versions = {path: path.name.partition("-")[2] for path in self.state.glob("postgres-[0-9]*")}
        finished = [path for path, version in versions.items() if version.isdigit()]
        return sorted(finished, key=lambda path: int(versions[path]))

    def create(self) -> None:
        """Make the folders that are missing.

        Raises:
            CallError: The file system refuses.
        """
        try:
            for folder in (self.piles, self.chunks, self.spool, self.state, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CallError(
                f"cannot make the folder {error.filename}: {error.strerror}; give another --home"
            ) from error

    @contextmanager
    def locked(self, *, patience: float = 0.0) -> Iterator[None]:
        """Hold the home alone, waiting up to `patience` seconds for another holder.

        Raises:
            CallError: Another process works in this home.
        """
        deadline = time.monotonic() + patience
        with self._lock_file() as file:
            while not _try_lock(file, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    holder = file.read().strip() or "unknown"
                    raise CallError(
                        f"{self.path} is in use by another spikemill (process {holder}); "
                        "wait for it, stop it, or give another --home"
                    )
                time.sleep(_POLL)
            file.seek(0)
            file.truncate()
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def in_use(self) -> bool:
        """Tell whether a living process holds the home."""
        try:
            if not self._lock_path.exists():
                return False
        except PermissionError as error:
            raise self._closed(error) from error
        with self._lock_file() as file:
            return not _try_lock(file, fcntl.LOCK_SH)

    def _lock_file(self) -> IO[str]:
        """Open the lock's file, whose text is the process that holds it."""
        try:
            return os.fdopen(os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+")
        except OSError as error:
            raise self._closed(error) from error

    def _closed(self, error: OSError) -> CallError:
        return CallError(
            f"cannot open {self._lock_path}: {error.strerror}; "
            f"run as the user who owns {self.path}, or give another --home"
        )


def _try_lock(file: IO[str], kind: int) -> bool:
    """Take the lock if it is free; it is released with the file, also when the process is killed."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CallError(
            f"cannot lock {file.name}: {error.strerror}; give a --home on a local file system"
        ) from error
    return True
