"""A whole NWB file to rows, in memory and in Parquet: the binner against the steps of the original's scripts.

The original opens the file with pynwb, loads the whole units table with `to_dataframe` (its other columns
too), makes edges and a `numpy.histogram` for each unit, stacks and casts them, cuts the matrix into rows, and
gives the rows to `datasets.Dataset.from_generator`, which keeps an Arrow copy on disk, before it writes
Parquet. These are those steps, written anew; uploading is left out on both sides.

The made-up file has, like the large public ones, an amplitude for each spike and a mean waveform for each
unit beside the spike times. Run: `python -m benchmarks.whole_file`.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import datasets
import numpy as np
import pyarrow.parquet as pq
from hdmf.common import VectorData, VectorIndex
from pynwb import NWBHDF5IO, NWBFile
from pynwb.misc import Units

from benchmarks.spike_hours import BIN_SIZE, PUBLISHED_HZ, count_rows, make_hour
from benchmarks.tables import print_table
from spikemill.services.binner.chunks import cut_segments
from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.readers.nwb import NwbUnits
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.types import SessionNames

WAVEFORM_SHAPE = (82, 24)

Made = TypeVar("Made")


def write_recording(path: Path) -> None:
    """Write an hour of 600 units with the columns that public files have."""
    hour = make_hour(PUBLISHED_HZ)
    random = np.random.default_rng(2)
    ends = hour.ends.astype(np.uint32)
    spike_times = VectorData(name="spike_times", description="seconds", data=hour.spike_times)
    amplitudes = VectorData(
        name="spike_amplitudes", description="volts", data=random.random(len(hour.spike_times))
    )
    columns = [
        spike_times,
        VectorIndex(name="spike_times_index", target=spike_times, data=ends),
        amplitudes,
        VectorIndex(name="spike_amplitudes_index", target=amplitudes, data=ends),
        VectorData(
            name="waveform_mean", description="volts", data=random.random((hour.n_units, *WAVEFORM_SHAPE))
        ),
    ]
    content = NWBFile("a made-up session", "whole file", datetime(2020, 1, 1, tzinfo=UTC))
    content.units = Units(name="units", description="made up", columns=columns, id=np.arange(hour.n_units))
    with NWBHDF5IO(path, "w") as io:
        io.write(content)


def original_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Make the rows of one file as the original does."""
    with NWBHDF5IO(path, "r") as io:
        units = io.read().units.to_dataframe()
    latest = max(spikes.max() for spikes in units["spike_times"] if len(spikes))
    histograms = [
        np.histogram(spikes, np.arange(0, latest + BIN_SIZE, BIN_SIZE))[0] for spikes in units["spike_times"]
    ]
    counts = np.vstack(histograms).astype(np.uint8)
    n_units, n_bins = counts.shape
    for segment in cut_segments(n_units, n_bins):
        yield {
            "spike_counts": counts[:, segment.first_bin : segment.stop_bin],
            "subject_id": "sub-01",
            "session_id": path.stem,
            "segment_id": segment.segment_id,
        }


def by_original(path: Path, folder: Path) -> Path:
    """Write the file's rows as the original does, from the file to Parquet."""
    text = datasets.Value("string")
    features = datasets.Features(
        spike_counts=datasets.List(datasets.List(datasets.Value("uint8"))),
        subject_id=text,
        session_id=text,
        segment_id=text,
    )
    rows = datasets.Dataset.from_generator(
        original_rows, features=features, gen_kwargs={"path": path}, cache_dir=str(folder / "cache")
    )
    written = folder / "original.parquet"
    rows.to_parquet(written)
    return written


def by_spikemill(path: Path, folder: Path) -> Path:
    """Write the file's rows as the binner does."""
    written = folder / "spikemill.parquet"
    names = SessionNames("made-up", "sub-01", path.stem)
    bin_session([CopiedFile(path)], ReaderSettings("nwb-units"), names, written)
    return written


def rows_by_original(path: Path, _folder: Path) -> int:
    """Make the file's rows in memory as the original does, and only count them."""
    return sum(1 for _ in original_rows(path))


def rows_by_spikemill(path: Path, _folder: Path) -> int:
    """Make the file's rows in memory as the binner does, and only count them."""
    return sum(1 for _ in count_rows(NwbUnits().read(CopiedFile(path))))


def require_equal_counts(one: Path, other: Path) -> None:
    """Raise where two files' matrices differ."""
    for left, right in zip(*(pq.ParquetFile(path).iter_batches(1) for path in (one, other)), strict=True):
        cells = [batch.column("spike_counts").values.values.to_numpy() for batch in (left, right)]
        np.testing.assert_array_equal(*cells)


def timed(way: Callable[[Path, Path], Made], path: Path, folder: Path) -> tuple[Made, float, float]:
    """Return what was made, and the seconds and cpu seconds that it took."""
    start, cpu_start = time.perf_counter(), time.process_time()
    made = way(path, folder)
    return made, time.perf_counter() - start, time.process_time() - cpu_start


def compare_rows(path: Path, folder: Path) -> list[list[str]]:
    """Measure both ways up to the rows in memory."""
    _, our_seconds, our_cpu = timed(rows_by_spikemill, path, folder)
    _, their_seconds, their_cpu = timed(rows_by_original, path, folder)
    return [
        ["the original's steps", f"{their_seconds:.1f}", f"{their_cpu:.2f}", f"{their_cpu / our_cpu:.1f}x"],
        ["spikemill", f"{our_seconds:.1f}", f"{our_cpu:.2f}", "1.0x"],
    ]


def compare_files(path: Path, folder: Path) -> list[list[str]]:
    """Measure both ways up to the Parquet file, and see that both hold the same counts."""
    ours, our_seconds, our_cpu = timed(by_spikemill, path, folder)
    theirs, their_seconds, their_cpu = timed(by_original, path, folder)
    require_equal_counts(ours, theirs)
    return [
        [
            label,
            f"{seconds:.1f}",
            f"{cpu:.2f}",
            f"{cpu / our_cpu:.1f}x",
            f"{written.stat().st_size / 1e6:.1f}",
        ]
        for label, written, seconds, cpu in (
            ("the original's steps", theirs, their_seconds, their_cpu),
            ("spikemill", ours, our_seconds, our_cpu),
        )
    ]


def main() -> None:
    """Print time and size of both ways."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "recording.nwb"
        write_recording(path)
        megabytes = path.stat().st_size / 1e6
        title = f"An NWB file of 600 units x 1 hour at {PUBLISHED_HZ} Hz ({megabytes:,.0f} MB)"
        columns = ["way", "seconds", "cpu seconds", "of ours"]
        print_table(f"{title} to rows in memory", columns, compare_rows(path, folder))
        print_table(f"{title} to Parquet", [*columns, "MB written"], compare_files(path, folder))


if __name__ == "__main__":
    main()
