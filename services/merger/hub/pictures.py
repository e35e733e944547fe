"""A small picture of each source, for the card of a published pile."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.common.errors import DamagedOutputError
from services.common.identity import digest
from services.merger.drawing import draw, save_png
from services.merger.hub.pile_files import PileFiles
from services.merger.provenance import Provenance, ShardRecord
from services.merger.sampling import first_rasters
from services.merger.whereabouts import sources_in_shards

_SHADES = 16
"""Four bits a pixel: the noisiest raster stays below 60 kB."""
_FILE_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,63}")


def picture_name(source: str) -> str:
    """Return the name of a source's picture; a catalogue's own names are safe as names of files."""
    return f"{source if _FILE_NAME.fullmatch(source) else digest(source)[:20]}.png"


def draw_pictures(pile: PileFiles, folder: Path) -> Mapping[str, Path]:
    """Draw one row of each source into the folder; return the pictures by source.

    As few shards are read as hold a row of each source, each of them once. Raises `DamagedOutputError`
    where one of them cannot be read or holds other rows than the provenance says, `StoreError` where a
    picture cannot be written.
    """
    missing = _sources(pile.provenance)
    pictures: dict[str, Path] = {}
    for shard in _covering(pile.provenance):
        with pile.local(shard.name) as path:
            for source, raster in first_rasters(path, shard.name, missing).items():
                pictures[source] = folder / picture_name(source)
                picture = draw({source: [raster]}, columns=1)
                save_png(picture.quantize(_SHADES), pictures[source], optimize=True)
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
