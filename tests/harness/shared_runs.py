"""What the processes of one run of the tests share: a folder, and what was made once for all of them."""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

_FOLDER = pytest.StashKey[Path]()
_INPUT = "spikemill_folder"

_Made = TypeVar("_Made")


def make_folder(config: pytest.Config) -> None:
    """Make the folder of this run, which every user may enter; it is gone at the end, whatever happens."""
    if (told := getattr(config, "workerinput", None)) is not None:
        config.stash[_FOLDER] = Path(told[_INPUT])
        return
    folder = Path(tempfile.mkdtemp(prefix="spikemill-tests-"))
    folder.chmod(0o755)
    config.stash[_FOLDER] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def tell_of_folder(config: pytest.Config, told: dict[str, Any]) -> None:
    """Tell a process that will run tests where the folder is."""
    told[_INPUT] = str(config.stash[_FOLDER])


def folder_of(config: pytest.Config) -> Path:
    """Return the folder of this run."""
    return config.stash[_FOLDER]


def made_once(config: pytest.Config, name: str, make: Callable[[], _Made]) -> _Made:
    """Return what the first process that asks makes, as JSON can tell it; the others wait for it.

    Where making it failed, or its process died, the next one tries.
    """
    kept = folder_of(config) / f"{name}.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            made = json.dumps(make())
            kept.write_text(made)
        found: _Made = json.loads(kept.read_text())
        return found
