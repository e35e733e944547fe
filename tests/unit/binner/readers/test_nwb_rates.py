"""The reader of firing rates: each sample becomes rate x bin width, rounded as the original rounds."""

import math
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import ArrayLike, NDArray

from spikemill.services.binner.readers.base import CopiedFile, EstimatedCounts
from spikemill.services.binner.readers.nwb_rates import NwbRates
from spikemill.services.common.errors import RecordingError
from tests.unit.binner.readers.memory_file import MemoryFile

SERIES = "acquisition/firing_rates"
RATES = np.array([[0.0, 50.0], [24.9, 75.0], [25.0, 125.0], [74.0, 1000.0]])


def write_series(path: Path, data: ArrayLike, *, rate: Any = 50.0, start: Any = 0.0, **storage: Any) -> Path:
    """Write a file that holds a series of samples, time x unit."""
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.5.0"
        series = file.create_group(SERIES)
        series.create_dataset("data", data=np.asarray(data), **storage)
        series["starting_time"] = start
        if rate is not None:
            series["starting_time"].attrs["rate"] = rate
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write the small series."""
    return write_series(tmp_path / "rates.nwb", RATES)


def read(path: Path) -> EstimatedCounts:
    """Read a file of this disk."""
    return NwbRates().read(CopiedFile(path))


def refusal(path: Path) -> str:
    """Return the text with which the file is refused."""
    with pytest.raises(RecordingError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith("rates.nwb: ")
    assert "\n" not in text
    assert "exclude" in text
    return text


def test_a_rate_becomes_the_spikes_of_its_bin(path: Path) -> None:
    estimate = read(path)
    assert estimate.counts.dtype == np.uint8
    assert estimate.counts.flags.c_contiguous
    assert estimate.counts.tolist() == [[0, 0, 0, 1], [1, 2, 2, 20]]
    assert (estimate.n_units, estimate.n_bins, estimate.spikes) == (2, 4, 26)
    assert (estimate.start, estimate.bin_size) == (0, 0.02)
    assert (estimate.clipped, estimate.left_out) == (0, 0)


def expected_cell(rate: Any, per_second: float) -> tuple[int, bool, bool]:
    """Return the count of one cell, whether it is clipped and whether it is left out."""
    spikes = float(rate / per_second)
    if math.isnan(spikes):
        return 0, False, True
    rounded = spikes if math.isinf(spikes) else round(spikes)
    return int(min(max(rounded, 0), 255)), not 0 <= rounded <= 255, False


number = st.floats(-60, 14_000) | st.integers(-4, 600).map(lambda i: i * 25.0)
odd_number = st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 12_775.0, 12_750.0, -25.0, -25.1])
shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@st.composite
def rate_matrices(draw: st.DrawFn) -> NDArray[Any]:
    """Draw a matrix of some number type."""
    dtype = draw(st.sampled_from(["f8", "f4", ">f8", "i2", "u1"]))
    kind = np.dtype(dtype)
    if kind.kind == "f":
        elements = (number | odd_number).map(kind.type)
        return draw(hnp.arrays(kind, draw(shapes), elements=elements))
    return draw(hnp.arrays(kind, draw(shapes)))


@given(rate_matrices(), st.none() | st.tuples(st.integers(1, 12), st.integers(1, 12)))
@example(np.array([[25.0, 75.0, math.nan]]), (1, 2))
def test_every_cell_is_rounded_by_itself(rates: NDArray[Any], chunks: tuple[int, int] | None) -> None:
    cut = chunks and tuple(min(length, side) for length, side in zip(chunks, rates.shape, strict=True))
    cells = [[expected_cell(rate, 50.0) for rate in unit] for unit in rates.T]
    with tempfile.TemporaryDirectory() as folder:
        file = CopiedFile(write_series(Path(folder) / "rates.nwb", rates, chunks=cut))
        if all(left_out for unit in cells for _, _, left_out in unit):
            with pytest.raises(RecordingError, match="is a number"):
                NwbRates().read(file)
            return
        estimate = NwbRates().read(file)
    assert estimate.counts.tolist() == [[count for count, _, _ in unit] for unit in cells]
    assert estimate.clipped == sum(clipped for unit in cells for _, clipped, _ in unit)
    assert estimate.left_out == sum(left_out for unit in cells for _, _, left_out in unit)


@pytest.mark.parametrize("storage", [{}, {"chunks": (300, 7), "compression": "gzip"}, {"chunks": (1, 20)}])
def test_a_series_is_read_as_it_was_announced(tmp_path: Path, storage: dict[str, Any]) -> None:
    rates = np.random.default_rng(5).gamma(1.0, 40.0, (1000, 20))
    file = MemoryFile.of(write_series(tmp_path / "rates.nwb", rates, **storage))
    estimate = NwbRates().read(file)
    np.testing.assert_array_equal(estimate.counts, np.round(rates.T / 50).astype(np.uint8))
    assert file.reads == file.announced


def test_a_large_series_is_read_in_pieces(tmp_path: Path) -> None:
    rates = np.random.default_rng(6).gamma(1.0, 40.0, (30_000, 90))
    file = MemoryFile.of(write_series(tmp_path / "rates.nwb", rates))
    np.testing.assert_array_equal(NwbRates().read(file).counts, np.round(rates.T / 50).astype(np.uint8))
    assert len(file.announced) == 1
    assert max(span.length for span in file.reads) <= 8_000_000


def test_another_series_is_named_by_an_option(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.move(SERIES, "processing/ecephys/rates")
    estimate = NwbRates("processing/ecephys/rates").read(CopiedFile(path))
    assert estimate.counts.tolist() == [[0, 0, 0, 1], [1, 2, 2, 20]]
    assert "no series at acquisition/firing_rates; name the one" in refusal(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.empty((0, 3)), r"is empty, of shape (0, 3)"),
        (np.empty((7, 0)), r"is empty, of shape (7, 0)"),
        (np.arange(5.0), "not a matrix, time x unit, but of shape (5,)"),
        (np.zeros((2, 3, 4)), "not a matrix, time x unit, but of shape (2, 3, 4)"),
        (np.float64(3), "not a matrix, time x unit, but of shape ()"),
        (np.array([[b"a"], [b"b"]]), "are not numbers"),
        (np.array([[1j], [2j]]), "are not numbers"),
        (np.array([[True], [False]]), "are not numbers"),
        (np.full((4, 2), np.nan), "no rate of /acquisition/firing_rates is a number"),
    ],
)
def test_data_that_are_no_rates_are_refused(tmp_path: Path, data: NDArray[Any], reason: str) -> None:
    assert reason in refusal(write_series(tmp_path / "rates.nwb", data))


@pytest.mark.parametrize(
    ("rate", "start"),
    [(0.0, 0.0), (-50.0, 0.0), (math.nan, 0.0), ("50 Hz", 0.0), (None, 0.0), (50.0, math.inf)],
)
def test_a_series_that_does_not_tell_its_sampling_is_refused(tmp_path: Path, rate: Any, start: float) -> None:
    path = write_series(tmp_path / "rates.nwb", RATES, rate=rate, start=start)
    assert "the starting_time of /acquisition/firing_rates is not a time, or its rate" in refusal(path)


@pytest.mark.parametrize(
    ("rate", "start"), [(np.float32(50), [3.0]), (np.array([50]), 3), (50, np.float32(3))]
)
def test_rate_and_start_are_read_as_any_number(tmp_path: Path, rate: Any, start: Any) -> None:
    estimate = read(write_series(tmp_path / "rates.nwb", RATES, rate=rate, start=start))
    assert (estimate.start, estimate.bin_size) == (3, 0.02)


def with_timestamps(path: Path, timestamps: ArrayLike) -> Path:
    """Replace the rate of a series by timestamps."""
    with h5py.File(path, "a") as file:
        del file[f"{SERIES}/starting_time"]
        file[f"{SERIES}/timestamps"] = np.asarray(timestamps)
    return path


def test_evenly_spaced_timestamps_tell_the_rate(path: Path) -> None:
    noise = np.array([0, 3e-6, -4e-6, 1e-10])
    estimate = read(with_timestamps(path, 7 + np.arange(4) * 0.02 + noise))
    assert (estimate.start, estimate.bin_size) == (7, 0.02)
    assert estimate.counts.tolist() == [[0, 0, 0, 1], [1, 2, 2, 20]]


@pytest.mark.parametrize(
    ("timestamps", "reason"),
    [
        ([0, 0.02, 0.05, 0.06], "not evenly spaced"),
        ([0.06, 0.04, 0.02, 0], "not evenly spaced"),
        ([1.0, 1.0, 1.0, 1.0], "not evenly spaced"),
        ([0, 0.02, math.nan, 0.06], "not evenly spaced"),
        ([0, 0.02, 0.04, math.inf], "not evenly spaced"),
        ([0, 0.02, 0.04], "not 4 numbers, one a sample"),
        ([b"0", b"1", b"2", b"3"], "not 4 numbers, one a sample"),
    ],
)
def test_timestamps_that_make_no_bins_are_refused(path: Path, timestamps: ArrayLike, reason: str) -> None:
    assert reason in refusal(with_timestamps(path, timestamps))


def test_one_sample_with_a_timestamp_has_no_width(tmp_path: Path) -> None:
    path = write_series(tmp_path / "rates.nwb", RATES[:1])
    assert read(path).n_bins == 1
    assert "not evenly spaced" in refusal(with_timestamps(path, [0.0]))


@pytest.mark.parametrize("gone", ["starting_time", "data"])
def test_a_series_without_its_parts_is_refused(path: Path, gone: str) -> None:
    with h5py.File(path, "a") as file:
        del file[f"{SERIES}/{gone}"]
    assert "/acquisition/firing_rates" in refusal(path)


def test_the_subject_is_what_the_file_says(path: Path) -> None:
    with pytest.raises(RecordingError, match="pynwb cannot read"):
        NwbRates().subject_id(CopiedFile(path))
