"""show: rasters of random rows, the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import CallError, DamagedOutputError, StoreError
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.plots import sample_rasters, show_pile
from tests.unit.merger.generated_piles import GeneratedSession, write_chunk, write_pile

pytestmark = pytest.mark.slow


def test_the_same_seed_draws_the_same_picture(pile: Path, tmp_path: Path) -> None:
    for name, seed in {"a.png": 1, "b.png": 1, "c.png": 2}.items():
        show_pile(pile, tmp_path / name, rows_per_source=3, seed=seed)
    first, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == again
    assert first != other
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["a.png", "b.png", "c.png"]


def test_every_source_has_a_line_of_panels(pile: Path, tmp_path: Path) -> None:
    show_pile(pile, tmp_path / "a.png", rows_per_source=3)
    assert imread(tmp_path / "a.png").shape[:2] == (600, 1500)
    rasters = sample_rasters(pile, 3, 0)
    assert {source: len(found) for source, found in rasters.items()} == {"shield": 3, "vcn": 3}
    assert len({(source, raster.title) for source, found in rasters.items() for raster in found}) == 6


def test_a_source_of_fewer_rows_shows_them_all(pile: Path, tmp_path: Path) -> None:
    rasters = sample_rasters(pile, 16, 0)
    assert {source: len(found) for source, found in rasters.items()} == {"shield": 15, "vcn": 16}
    show_pile(pile, tmp_path / "a.png", rows_per_source=16)


def test_small_rows_are_drawn_cell_by_cell_and_large_ones_by_means(tmp_path: Path) -> None:
    counts = np.zeros((1_000, 4_000), dtype=np.uint8)
    counts[900:, :2_000] = 8
    session = GeneratedSession(SessionKey("vcn", "sub-1", "ses-1"), [counts, counts[:2, :3].copy()], tmp_path)
    write_chunk(session.path, session.key, session.matrices)
    write_pile(tmp_path / "pile", [session], MergeParameters())
    rasters = sample_rasters(tmp_path / "pile", 2, 0)["vcn"]
    small, large = sorted(rasters, key=lambda raster: raster.n_bins)
    assert small.means.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert (large.n_units, large.n_bins, large.means.shape) == (1_000, 4_000, (400, 800))
    assert (large.means[:360].max(), large.means[360:, :400].min(), large.means[360:, 400:].max()) == (
        0,
        8,
        0,
    )


def test_a_folder_without_shards_is_no_pile(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="holds no shards"):
        show_pile(tmp_path, tmp_path / "a.png")


def test_only_png_is_drawn(pile: Path, tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"ends in \.png"):
        show_pile(pile, tmp_path / "a.jpg")


def test_a_shard_that_cannot_be_read_is_one_clear_error(pile: Path, tmp_path: Path) -> None:
    (pile / "data" / "test-00000-of-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedOutputError, match="cannot be read"):
        show_pile(pile, tmp_path / "a.png")


def test_a_picture_that_cannot_be_written_is_one_clear_error(pile: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        show_pile(pile, tmp_path / "nowhere" / "a.png")


def test_names_are_drawn_as_they_are_written(tmp_path: Path) -> None:
    matrix = np.ones((2, 2), dtype=np.uint8)
    session = GeneratedSession(SessionKey("vcn", "sub-1", r"cost_$\frac{1$"), [matrix], tmp_path)
    write_chunk(session.path, session.key, session.matrices)
    write_pile(tmp_path / "pile", [session], MergeParameters())
    show_pile(tmp_path / "pile", tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[:2] == (300, 1000)
