"""Pictures of a pile: rasters of random rows, and one row of each source for the dataset card."""

import io
import random
import re
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from spikemill.services.common.errors import CallError, DamagedOutputError
from spikemill.services.common.files import writing, written_aside
from spikemill.services.common.types import digest
from spikemill.services.merger.provenance import Provenance, ShardRecord, StoredPile, sources_in_shards

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_MOST_UNITS, _MOST_BINS = 400, 800
"""Rasters above this are averaged: more would not be seen."""
_PANEL_INCHES = (5.0, 3.0)
_DOTS_PER_INCH = 100
_SHADES = 16
"""Of a picture on the card, four bits a pixel: the noisiest raster stays below 60 kB."""
_FILE_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,63}")
_BRIGHTEST = 99.5
"""The percentile of a raster's means that is drawn black, as is all above it."""


def show_pile(pile: Path, out: Path, *, rows_per_source: int = 2, seed: int = 0) -> None:
    """Draw random rows of every source into a PNG, a line per source; equal piles give equal files.

    Raises `CallError` where there is no pile, or `out` is no PNG, `DamagedOutputError` where a shard cannot
    be read, `StoreError` where the picture cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise CallError(f"{out}: rasters are drawn as PNG; give a name that ends in .png.")
    picture = draw(sample_rasters(pile, rows_per_source, seed), rows_per_source)
    with writing(out, remedy="or name another place"), written_aside(out) as aside:
        picture.save(aside, format="PNG")


class Raster(NamedTuple):
    """A row of the pile: what it is, its shape, and its counts as the means of equal blocks of cells."""

    title: str
    n_units: int
    n_bins: int
    means: npt.NDArray[np.float64]


class _Place(NamedTuple):
    """A row's shard, its row group, and its number in that."""

    shard: Path
    row_group: int
    position: int


def sample_rasters(pile: Path, rows_per_source: int, seed: int) -> Mapping[str, Sequence[Raster]]:
    """Return rasters of random rows of every source; the same pile, number and seed choose the same rows.

    Raises `CallError` where there is no pile, `DamagedOutputError` where a shard cannot be read.
    """
    shards = sorted((pile / "data").glob("*.parquet"))
    if not shards:
        raise CallError(f"{pile} holds no shards; name the folder of a pile, the one that holds README.md.")
    with _readable(f"A shard in {pile}"):
        places = _places(shards)
        chooser = random.Random(seed)  # noqa: S311 - it chooses pictures, it guards no secret
        rasters = {}
        for source in sorted(places):
            chosen = chooser.sample(places[source], min(rows_per_source, len(places[source])))
            rasters[source] = [_raster(place) for place in sorted(chosen)]
        return rasters


def first_rasters(shard: Path, name: str, sources: Container[str]) -> Mapping[str, Raster]:
    """Return a raster of the first row of each of these sources that a shard holds.

    Raises `DamagedOutputError` where the shard, which the pile calls `name`, cannot be read.
    """
    with _readable(name):
        places = _places([shard])
        return {source: _raster(rows[0]) for source, rows in sorted(places.items()) if source in sources}


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DamagedOutputError(f"{what} cannot be read: {error}") from error


def _places(shards: Sequence[Path]) -> Mapping[str, Sequence[_Place]]:
    """Return the places of each source's rows; only names are read."""
    places: dict[str, list[_Place]] = defaultdict(list)
    for path in shards:
        with pq.ParquetFile(path) as shard:
            for group in range(shard.num_row_groups):
                names = shard.read_row_group(group, columns=["source_dataset"]).column(0).to_pylist()
                for position, source in enumerate(names):
                    places[source].append(_Place(path, group, position))
    return places


def _raster(place: _Place) -> Raster:
    with pq.ParquetFile(place.shard) as shard:
        batches = shard.iter_batches(batch_size=1, row_groups=[place.row_group], use_threads=False)
        batch = next(islice(batches, place.position, None))
    units = batch.column("spike_counts").flatten()
    matrix = np.from_dlpack(units.flatten()).astype(np.uint8, copy=False).reshape(len(units), -1)
    names = (batch.column(name)[0].as_py() for name in ("subject_id", "session_id", "segment_id"))
    n_units, n_bins = matrix.shape
    return Raster("\n".join(names), n_units, n_bins, _block_means(matrix))


def _block_means(matrix: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    units = _borders(matrix.shape[0], _MOST_UNITS)
    bins = _borders(matrix.shape[1], _MOST_BINS)
    sums = np.add.reduceat(matrix, bins[:-1], axis=1, dtype=np.float64)
    sums = np.add.reduceat(sums, units[:-1], axis=0)
    means: npt.NDArray[np.float64] = sums / np.outer(np.diff(units), np.diff(bins))
    return means


def _borders(length: int, most: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, length, min(length, most) + 1).astype(np.int64)


def draw(rasters: Mapping[str, Sequence[Raster]], columns: int) -> "Image":
    """Return the rasters of each source in a line of so many panels."""
    width, height = _PANEL_INCHES
    size = (width * columns, height * len(rasters))
    # What draws takes a second to load, and most pushes have their pictures on the hub already.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)  # it has no types
    panels = figure.subplots(len(rasters), columns, squeeze=False)
    for line, (source, members) in zip(panels, rasters.items(), strict=True):
        for axes in line[len(members) :]:
            axes.set_axis_off()
        for axes, raster in zip(line, members, strict=False):
            _draw_panel(axes, source, raster)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("L")


def _draw_panel(axes: "Axes", source: str, raster: Raster) -> None:
    axes.imshow(
        raster.means,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="Greys",
        vmin=0,
        vmax=float(np.percentile(raster.means, _BRIGHTEST)) or 1.0,
        extent=(0, raster.n_bins, 0, raster.n_units),
    )
    axes.set_title(f"{source}\n{raster.title}", fontsize=7, parse_math=False)
    axes.set_xlabel("bins", fontsize=7)
    axes.set_ylabel("units", fontsize=7)
    axes.tick_params(labelsize=6)


def picture_paths(provenance: Provenance) -> Mapping[str, str]:
    """Return the path of each source's picture in the repository; a source without rows has none."""
    return {source: f"pictures/{picture_name(source)}" for source in sorted(_sources(provenance))}


def picture_name(source: str) -> str:
    """Return the name of a source's picture; a catalogue's own names are safe as names of files."""
    return f"{source if _FILE_NAME.fullmatch(source) else digest(source)[:20]}.png"


def draw_pictures(pile: StoredPile) -> Mapping[str, bytes]:
    """Draw one row of each source as a PNG; return the pictures by source.

    As few shards are read as hold a row of each source, each of them once. Raises `DamagedOutputError`
    where one of them cannot be read or holds other rows than the provenance says.
    """
    missing = _sources(pile.provenance)
    pictures: dict[str, bytes] = {}
    for shard in _covering(pile.provenance):
        with pile.local(shard.name) as path:
            for source, raster in first_rasters(path, shard.name, missing).items():
                content = io.BytesIO()
                picture = draw({source: [raster]}, columns=1).quantize(_SHADES)
                picture.save(content, format="PNG", optimize=True)
                pictures[source] = content.getvalue()
        missing -= pictures.keys()
    if missing:
        raise DamagedOutputError(
            f"No shard holds rows of {', '.join(sorted(missing))} where the provenance says so; run "
            "`spikemill verify` on the pile."
        )
    return pictures


def _sources(provenance: Provenance) -> set[str]:
    return {session.source for session in provenance.sessions if session.rows}


def _covering(provenance: Provenance) -> Iterator[ShardRecord]:
    """Yield shards that hold all sources between them, always the one with most that are missing next."""
    held = sources_in_shards(provenance)
    missing = _sources(provenance)
    while missing:
        best = max(held, key=lambda shard: len(held[shard] & missing), default=None)
        if best is None or not held[best] & missing:
            return
        yield best
        missing -= held[best]
