"""Reads both ends of each split of a pile with `datasets`, and prints what differs from our own reader.

A program of its own, `python -m ...loading_trial FOLDER`: `verify` starts it, and chooses its environment.
FOLDER holds the pile and how many rows each split has. It prints a line of JSON for each problem.
"""

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import datasets

from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.parquet_schema import FEATURES
from spikemill.services.merger.provenance import CARD
from spikemill.services.merger.shards import DecodedRow, decoded_row, decoded_rows
from spikemill.services.merger.verify import Problem

_PR_SET_PDEATHSIG = 1
_READER = f"datasets {datasets.__version__}"
_EXPECTED = datasets.Features.from_dict(FEATURES)


class _UnreadableError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def problems(pile: Path, rows: Mapping[str, int], cache: Path) -> Iterator[Problem]:
    """Load a pile whose splits have so many rows, and yield what is not as our own reader finds it.

    What cannot be read ends the trial of its split.
    """
    try:
        with _reading(CARD, "the pile", pile):
            loaded = datasets.load_dataset(str(pile), streaming=True, cache_dir=str(cache))
        if set(loaded) != set(rows):
            yield Problem(CARD, f"{_READER} finds the splits {sorted(loaded)}, not {sorted(rows)}")
    except _UnreadableError as error:
        yield error.problem
        return
    for name in sorted(set(loaded) & set(rows)):
        try:
            yield from _split(pile, loaded[name], rows[name], cache)
        except _UnreadableError as error:
            yield error.problem


@contextmanager
def _reading(file: str, what: str, pile: Path) -> Iterator[None]:
    """Turn whatever stops the reader into a problem, but for too little memory."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".replace(f"{pile}/", "").split())
        raise _UnreadableError(Problem(file, f"{_READER} cannot read {what}: {text:.500}")) from error


def _split(pile: Path, split: Any, rows: int, cache: Path) -> Iterator[Problem]:
    name = str(split.split)
    shards = sorted(path.relative_to(pile).as_posix() for path in (pile / "data").glob(f"{name}-*"))
    expected = split.info.splits
    if expected is not None and expected[name].num_examples != rows:
        yield Problem(
            CARD, f"number of rows in {name}: {rows}; {_READER} expects {expected[name].num_examples}"
        )
    yield from _features(split, CARD)
    if split.num_shards != len(shards):
        yield Problem(CARD, f"number of files in {name}: {len(shards)}; {_READER} finds {split.num_shards}")
        return
    for shard in dict.fromkeys((shards[0], shards[-1])):
        with _reading(shard, "it", pile):
            alone = datasets.load_dataset(
                "parquet", data_files=[str(pile / shard)], split="train", streaming=True, cache_dir=str(cache)
            )
        yield from _features(alone, shard)
    for shard, row_group in ((shards[0], 0), (shards[-1], -1)):
        with _reading(shard, "it", pile):
            seen = list(_streamed(split.shard(len(shards), shards.index(shard)), shard, row_group))
        # What our own reader cannot read is reported by the audit and by `verify`.
        with suppress(DamagedOutputError):
            yield from _differences(shard, seen, list(decoded_rows(pile / shard, row_group=row_group)))


def _features(loaded: Any, file: str) -> Iterator[Problem]:
    if loaded.features != _EXPECTED:
        yield Problem(file, f"{_READER} sees the features {loaded.features}, not {_EXPECTED}")


def _streamed(file: Any, name: str, row_group: int) -> Iterator[DecodedRow]:
    """Read one row group of a file; the others are not touched."""
    groups = file.reshard()
    index = range(groups.num_shards)[row_group]
    for table in groups.shard(groups.num_shards, index).with_format("arrow").iter(batch_size=1):
        (batch,) = table.to_batches()
        yield decoded_row(batch, index, name)


def _differences(shard: str, seen: Sequence[DecodedRow], stored: Sequence[DecodedRow]) -> Iterator[Problem]:
    """Report the first row that is not the same for both readers."""
    if len(seen) != len(stored):
        yield Problem(shard, f"number of rows in a row group: {len(stored)}; {_READER} reads {len(seen)}")
        return
    for theirs, ours in zip(seen, stored, strict=True):
        if theirs != ours:
            yield Problem(shard, f"{_READER} reads {_text(theirs)} where spikemill reads {_text(ours)}")
            return


def _text(row: DecodedRow) -> str:
    return (
        f"{'/'.join(row.names)} ({row.n_units} units, {row.n_bins} bins, {row.counts} spikes, "
        f"row group {row.row_group})"
    )


def main(folder: Path) -> None:
    """Print a line of JSON for each problem."""
    if sys.platform == "linux":
        # The trial ends with the worker that started it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    status = 0
    try:
        rows = json.loads((folder / "rows.json").read_text())
        for problem in problems(folder / "pile", rows, folder / "cache"):
            sys.stdout.write(f"{json.dumps(asdict(problem))}\n")
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread of Arrow's that still lets a file go would abort a usual end (apache/arrow#34314).
    os._exit(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
