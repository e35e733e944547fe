"""Rasters of random rows as one picture: what the data look like, at a glance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from services.common.errors import CallError, StoreError
from services.merger.sampling import Raster, sample_rasters

_PANEL_INCHES = (5.0, 3.0)
_BRIGHTEST = 99.5
"""The percentile of a raster's means that is drawn black; above it nothing is told apart."""


def show_pile(pile: Path, out: Path, *, rows_per_source: int = 2, seed: int = 0) -> None:
    """Draw random rows of every source into a PNG: time in bins across, units up, a line per source.

    Raises `CallError` where there is no pile, or `out` is no PNG, `DamagedOutputError` where a shard cannot
    be read, `StoreError` where the picture cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise CallError(f"{out}: rasters are drawn as PNG; give a name that ends in .png.")
    figure = _drawn(sample_rasters(pile, rows_per_source, seed), rows_per_source)
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        # Without the name and version of the program, equal rasters are equal files.
        figure.savefig(unfinished, format="png", dpi=100, metadata={"Software": None})
        unfinished.replace(out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(f"{out} cannot be written: {error.strerror}; name another place.") from error


def _drawn(rasters: Mapping[str, Sequence[Raster]], columns: int) -> Figure:
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * columns, height * len(rasters)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rasters), columns, squeeze=False)
    for line, (source, members) in zip(panels, rasters.items(), strict=True):
        for axes in line[len(members) :]:
            axes.set_axis_off()
        for axes, raster in zip(line, members, strict=False):
            _draw(axes, source, raster)
    return figure


def _draw(axes: Axes, source: str, raster: Raster) -> None:
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
