"""Rasters of random rows as one picture: what the data look like, at a glance."""

from pathlib import Path

from services.common.errors import CallError
from services.merger.drawing import draw, save_png
from services.merger.sampling import sample_rasters


def show_pile(pile: Path, out: Path, *, rows_per_source: int = 2, seed: int = 0) -> None:
    """Draw random rows of every source into a PNG, a line per source.

    Raises `CallError` where there is no pile, or `out` is no PNG, `DamagedOutputError` where a shard cannot
    be read, `StoreError` where the picture cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise CallError(f"{out}: rasters are drawn as PNG; give a name that ends in .png.")
    save_png(draw(sample_rasters(pile, rows_per_source, seed), rows_per_source), out)
