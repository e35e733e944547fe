"""A disk that is full soon, for one process."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def on_small_disk(folder: Path, command: Sequence[str]) -> str:
    """Run a command that alone sees a disk of 16 kB in place of the folder; return what it said."""
    alone = (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    )
    mount = [*alone, "sh", "-c", 'mount -t tmpfs -o size=16k none "$0" && exec "$@"', str(folder)]
    if (
        not shutil.which("unshare")
        or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("A small disk cannot be mounted here.")
    return subprocess.run([*mount, *command], check=True, capture_output=True, text=True).stdout
