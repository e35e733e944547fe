"""A session from its files to its chunk."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.errors import AssetError, RecordingError
from spikemill.services.common.types import BinnedSession, SessionNames

WriteFile = Callable[..., Path]
SETTINGS = ReaderSettings("nwb-units")


def names(subject_id: str | None = "sub-01") -> SessionNames:
    """Name the session as a planner does."""
    return SessionNames("demo", subject_id, "ses-a")


def matrix(path: Path) -> NDArray[np.uint8]:
    """Read a chunk's rows side by side."""
    return np.hstack([np.array(row, np.uint8) for row in pq.read_table(path)["spike_counts"].to_pylist()])


def bin_one(path: Path, destination: Path, subject_id: str | None = "sub-01") -> BinnedSession:
    """Bin a session of one file."""
    return bin_session([CopiedFile(path)], SETTINGS, names(subject_id), destination)


def test_the_facts_of_a_session(write_units: WriteFile, tmp_path: Path) -> None:
    times = [0.05] * 300 + [-1.0, math.nan, 0.2, math.inf, 0.13, 0.01]
    destination = tmp_path / "chunk"
    binned = bin_one(write_units(times, [302, 302, 306]), destination)
    assert (binned.n_units, binned.n_bins, binned.tokens) == (3, 10, 30)
    assert (binned.spikes, binned.clipped, binned.left_out) == (303, 1, 3)
    assert binned.chunk_sha256 == hashlib.sha256(destination.read_bytes()).hexdigest()
    assert binned.chunk_bytes == destination.stat().st_size
    assert [(row.first_bin, row.bins, row.tokens) for row in binned.rows] == [(0, 10, 30)]
    counts = matrix(destination)
    assert counts[0].tolist() == [0, 0, 255, 0, 0, 0, 0, 0, 0, 0]
    assert counts[1].tolist() == [0] * 10
    assert counts[2].tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 1]


def test_files_of_one_session_are_stacked_in_order_on_the_latest_clock(
    write_units: WriteFile, tmp_path: Path
) -> None:
    first = write_units([0.01, 0.03], [1, 2], "probe-a.nwb")
    silent = write_units(np.empty(0), [0], "probe-b.nwb")
    last = write_units([0.09], [1], "probe-c.nwb")
    destination = tmp_path / "chunk"
    binned = bin_session([CopiedFile(path) for path in (first, silent, last)], SETTINGS, names(), destination)
    assert (binned.n_units, binned.n_bins) == (4, 5)
    assert matrix(destination).tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0] * 5, [0, 0, 0, 0, 1]]


def test_one_bad_file_fails_the_session(write_units: WriteFile, tmp_path: Path) -> None:
    good = write_units([0.5], [1], "good.nwb")
    bad = write_units([0.5], [3], "bad.nwb")
    with pytest.raises(RecordingError, match=r"^bad\.nwb: "):
        bin_session([CopiedFile(good), CopiedFile(bad)], SETTINGS, names(), tmp_path / "chunk")
    assert not (tmp_path / "chunk").exists()


@pytest.mark.parametrize("bad_probe", range(3))
@pytest.mark.parametrize("damage", ["index", "cut off", "gone"])
def test_one_bad_probe_of_three_fails_the_session(
    write_units: WriteFile, tmp_path: Path, bad_probe: int, damage: str
) -> None:
    probes = [write_units(np.linspace(0, 9, 5000), [5000], f"sub-1_probe{number}.nwb") for number in range(3)]
    bad = probes[bad_probe]
    if damage == "index":
        write_units([0.5], [3], bad.name)
    elif damage == "cut off":
        bad.write_bytes(bad.read_bytes()[:10_000])
    else:
        bad.unlink()
    kind = AssetError if damage == "gone" else RecordingError
    with pytest.raises(kind, match=f"^{bad.name}: "):
        bin_session([CopiedFile(path) for path in probes], SETTINGS, names(), tmp_path / "chunk")
    assert not (tmp_path / "chunk").exists()


def test_rates_become_rows_without_spikes(tmp_path: Path) -> None:
    path = tmp_path / "rates.nwb"
    rates = np.random.default_rng(2).integers(0, 400, (7000, 1500)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.5.0"
        file["acquisition/firing_rates/data"] = rates
        file["acquisition/firing_rates/starting_time"] = 0.0
        file["acquisition/firing_rates/starting_time"].attrs["rate"] = 50.0
    destination = tmp_path / "chunk"
    binned = bin_session([CopiedFile(path)], ReaderSettings("nwb-rates"), names(), destination)
    expected = np.round(rates.T / 50)
    assert [row.bins for row in binned.rows] == [3500, 3500]
    assert (binned.n_units, binned.n_bins, binned.tokens) == (1500, 7000, 10_500_000)
    assert (binned.spikes, binned.clipped, binned.left_out) == (expected.sum(), 0, 0)
    for row, half in zip(
        pq.read_table(destination)["spike_counts"], (slice(3500), slice(3500, None)), strict=True
    ):
        np.testing.assert_array_equal(row.values.values.to_numpy().reshape(1500, 3500), expected[:, half])


def test_clusters_are_counted_from_the_first_spike_of_all_probes(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    probes = [(3811 + random.random(size) * 60, random.integers(1, 9, size)) for size in (400, 0, 900)]
    spks = np.zeros((1, 3), [("st", object), ("clu", object), ("Wheights", object)])
    for number, (seconds, clusters) in enumerate(probes):
        spks["st"][0, number], spks["clu"][0, number] = seconds[:, np.newaxis], clusters[:, np.newaxis]
    path = tmp_path / "spks.mat"
    savemat(path, {"spks": spks})
    destination = tmp_path / "chunk"
    settings = ReaderSettings("mat-spikes", origin="first-spike", reader_options={"keep_absent": True})
    binned = bin_session([CopiedFile(path)], settings, names(None), destination)
    everything = np.concatenate([seconds for seconds, _ in probes])
    edges = np.arange(everything.min(), everything.max() + 0.02, 0.02)
    expected = [
        np.histogram(seconds[clusters == cluster], edges)[0]
        for seconds, clusters in probes
        for cluster in range(1, clusters.max(initial=0) + 1)
    ]
    np.testing.assert_array_equal(matrix(destination), expected)
    assert (binned.subject_id, binned.n_units) == ("unknown", 16)


def test_bins_from_the_first_spike(write_units: WriteFile, tmp_path: Path) -> None:
    settings = ReaderSettings("nwb-units", bin_size=0.05, origin="first-spike")
    destination = tmp_path / "chunk"
    binned = bin_session([CopiedFile(write_units([1499.0, 1499.2], [2]))], settings, names(), destination)
    edges = np.arange(1499.0, 1499.2 + 0.05, 0.05)
    expected = np.histogram([1499.0, 1499.2], edges)[0]
    assert matrix(destination)[0].tolist() == expected.tolist()
    # The clock's rounding puts the last spike behind the last edge, for numpy too.
    assert (binned.spikes, binned.left_out) == (expected.sum(), 2 - expected.sum())


def test_a_session_above_ten_million_tokens_has_several_rows(write_units: WriteFile, tmp_path: Path) -> None:
    destination = tmp_path / "chunk"
    index = np.ones(700, np.int64)
    binned = bin_one(write_units([299.99], index), destination)
    assert [row.bins for row in binned.rows] == [7500, 7500]
    assert binned.tokens == sum(row.tokens for row in binned.rows) == 10_500_000
    assert pq.read_metadata(destination).num_row_groups == 2


@pytest.mark.parametrize("times", [[], [math.nan, -math.inf]])
def test_a_session_without_a_finite_spike_is_refused(
    write_units: WriteFile, tmp_path: Path, times: list[float]
) -> None:
    path = write_units(np.array(times, np.float64), [len(times)])
    with pytest.raises(RecordingError, match=r"^recording\.nwb: there is no spike with a finite time"):
        bin_one(path, tmp_path / "chunk")


def test_a_clock_below_zero_is_refused_with_a_way_out(write_units: WriteFile, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r'^recording\.nwb: .*origin = "first-spike"'):
        bin_one(write_units([-3.0, -2.0], [2]), tmp_path / "chunk")


@pytest.mark.parametrize(
    ("given", "stored", "final"),
    [("sub-01", "M12", "sub-01"), (None, "M12", "M12"), (None, "", "unknown"), (None, None, "unknown")],
)
def test_the_subject_of_the_path_goes_before_that_of_the_file(
    write_nwb: WriteFile, tmp_path: Path, given: str | None, stored: str | None, final: str
) -> None:
    destination = tmp_path / "chunk"
    assert bin_one(write_nwb([[0.5]], subject=stored), destination, given).subject_id == final
    assert pq.read_table(destination)["subject_id"].to_pylist() == [final]


def test_files_that_name_different_subjects_are_refused(write_nwb: WriteFile, tmp_path: Path) -> None:
    paths = [write_nwb([[0.5]], f"{subject}.nwb", subject) for subject in ("M1", "M2")]
    with pytest.raises(RecordingError, match=r"M1\.nwb, M2\.nwb: .* different subjects \(M1, M2\)"):
        bin_session([CopiedFile(path) for path in paths], SETTINGS, names(None), tmp_path / "chunk")
