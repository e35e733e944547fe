"""The programs of a card, run as a reader of it would: in a process of their own, where a warning ends it."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import BaseModel

from tests.unit.merger.generated_piles import Counts

_BLOCKS = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BEFORE = """\
import datasets

# The made-up hub has no server beside it that converts datasets.
datasets.config.USE_PARQUET_EXPORT = False
"""
_AFTER = """\

import hashlib
import json
import os

def signed(matrix):
    return hashlib.sha256(repr((matrix.shape, str(matrix.dtype))).encode() + matrix.tobytes()).hexdigest()

plain = load_dataset(*PLACE, split="train", **REVISION)
told = {
    "last": signed(matrix),
    "loaded": [signed(counts(pile[number])) for number in range(len(pile))],
    "streamed": [signed(counts(row)) for row in rows],
    "of_source": [signed(matrix) for matrix in matrices(shards, SOURCE)],
    "filtered": [signed(counts(row)) for row in rows_of_one],
    "numpy": str(plain.with_format("numpy")[0]["spike_counts"].dtype),
    "uint8": [signed(row["spike_counts"]) for row in plain.with_format("numpy", dtype="uint8")],
}
print(json.dumps(told), flush=True)
# A thread of Arrow's that still lets a file go would abort a usual end (apache/arrow#34314).
os._exit(0)
"""


class Told(BaseModel):
    """What the programs found: digests of matrices, in their order."""

    last: str
    loaded: list[str]
    streamed: list[str]
    of_source: list[str]
    filtered: list[str]
    numpy: str
    uint8: list[str]


def programs(card: str) -> list[str]:
    """Return the programs of a card: to load it, to stream it, to read one source, to filter it."""
    found: list[str] = _BLOCKS.findall(card)
    return found


def run_programs(
    card: str, home: Path, *place: str, source: str, env: Mapping[str, str] | None = None, **revision: str
) -> Told:
    """Run the programs of a card, then look at what they made; nothing but that may be said."""
    names = f"PLACE, REVISION, SOURCE = {place!r}, {revision!r}, {source!r}\n"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    quiet = {
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join((_BEFORE, names, *programs(card), _AFTER))],
        env=clean | quiet | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return Told.model_validate(json.loads(done.stdout))


def signed(matrix: Counts) -> str:
    """Return the digest that the programs return of the same matrix."""
    said = repr((matrix.shape, str(matrix.dtype))).encode()
    return hashlib.sha256(said + matrix.tobytes()).hexdigest()


def rows_of(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the rows of some shards, slowly, with their matrices."""
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return [row | {"spike_counts": np.array(row["spike_counts"], dtype=np.uint8)} for row in rows]


def require_rows(told: Told, rows: list[dict[str, Any]], source: str) -> None:
    """See that the programs found these rows, whichever way they went."""
    expected = [signed(row["spike_counts"]) for row in rows]
    of_source = [signed(row["spike_counts"]) for row in rows if row["source_dataset"] == source]
    assert told.loaded == told.streamed == told.uint8 == expected
    assert told.of_source == told.filtered == of_source
    assert told.last == of_source[-1]
    assert told.numpy == "int64"
