"""Rasters as a picture: time in bins goes across, units go up, a line of panels per source."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from services.common.errors import StoreError
from services.merger.sampling import Raster

_PANEL_INCHES = (5.0, 3.0)
_DOTS_PER_INCH = 100
_BRIGHTEST = 99.5
"""The percentile of a raster's means that is drawn black; above it nothing is told apart."""


def draw(rasters: Mapping[str, Sequence[Raster]], columns: int) -> Image.Image:
    """Return the rasters of each source in a line of so many panels."""
    width, height = _PANEL_INCHES
    size = (width * columns, height * len(rasters))
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


def save_png(picture: Image.Image, path: Path, **options: Any) -> None:
    """Write a PNG; equal pictures are equal files. Raises `StoreError` where it cannot be written."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        picture.save(unfinished, format="PNG", **options)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error.strerror}; name another place.") from error


def _draw_panel(axes: Axes, source: str, raster: Raster) -> None:
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
