"""Whether `datasets` reads a pile as spikemill does: `load_dataset` is tried on both ends of each split.

The trial has a process of its own. `datasets` decides on import, from the environment, whom it may ask and
where it keeps its cache; and a worker should not carry the library around after the few seconds it needs it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from services.common.ends import end_of
from services.common.errors import SpikemillError
from services.merger.comparison import Finding
from services.merger.split import SplitFacts

_PROGRAM = "services.merger.loading_trial"
# All else that steers `datasets` and its hub's client stays outside, tokens included.
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENBLAS_NUM_THREADS", "PATH")
_DECIDED = {
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
}


# Two row groups of each split are read in seconds.
_LONGEST = 1800.0


class LoadingCheckError(SpikemillError):
    """Nobody knows whether `datasets` reads the pile: the trial came to no end."""


def loading_findings(files: Mapping[str, Path], split: SplitFacts) -> Iterator[Finding]:
    """Yield what `load_dataset(streaming=True)` cannot read, or reads otherwise than our own reader.

    `files` are the card and the shards by their names in the pile; of each split the first and the last shard
    are enough, for only its first and its last row group are decoded. A card may name any address, so hand in
    none that spikemill did not write. No network is used, and nothing is left behind.

    Raises `MemoryError` where there is too little memory, `LoadingCheckError` where the trial itself fails.
    """
    with TemporaryDirectory(prefix="spikemill-loading-") as folder:
        room = Path(folder)
        _lay_out(room / "pile", files)
        (room / "rows.json").write_text(json.dumps(_rows(split)))
        told = _try_to_load(room)
    for line in told.splitlines():
        yield Finding(**json.loads(line))


def _lay_out(pile: Path, files: Mapping[str, Path]) -> None:
    """Show the files as a pile, in a folder whose name means nothing to `load_dataset`."""
    for name, path in files.items():
        place = pile / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.absolute())


def _rows(split: SplitFacts) -> dict[str, int]:
    rows = {"train": split.train_rows, "test": split.test_rows}
    return {name: number for name, number in rows.items() if number}


def _try_to_load(room: Path) -> str:
    """Return what the trial says, a line of JSON for each finding."""
    try:
        ended = subprocess.run(  # noqa: S603 - this Python, and a program of ours
            [sys.executable, "-m", _PROGRAM, str(room)],
            cwd=room,
            env=_environment(room),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadingCheckError(f"datasets did not read the ends of the pile in {_LONGEST:.0f} s.") from error
    if ended.returncode == 0:
        return ended.stdout
    how = end_of(ended.returncode).how
    last_line = (ended.stderr.strip().splitlines() or [how])[-1]
    if ended.returncode == -signal.SIGKILL or "MemoryError" in last_line:
        raise MemoryError(f"Both ends of the pile were to be read with datasets: {last_line}")
    raise LoadingCheckError(f"Whether datasets reads the pile could not be tried ({how}): {last_line}")


def _environment(room: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    imports = os.pathsep.join(entry for entry in sys.path if entry)
    home = {"HOME": str(room), "HF_HOME": str(room / "hub"), "TMPDIR": str(room), "PYTHONPATH": imports}
    return kept | _DECIDED | home
