"""The small files of a published pile: its card, its provenance, and the pictures in the card."""

import hashlib
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd

from services.common.errors import DamagedOutputError
from services.common.hub_target import HubTarget
from services.merger.card import HubCard, render_card
from services.merger.hub.difference import PileFile
from services.merger.hub.pictures import draw_pictures, picture_name
from services.merger.hub.pile_files import PileFiles
from services.merger.pile_layout import CARD, PROVENANCE


@dataclass(frozen=True, slots=True)
class Paper:
    """A small file, and where it stands in the repository."""

    path: str
    content: bytes

    @property
    def file(self) -> PileFile:
        """What it is, to be compared."""
        return PileFile(
            self.path, len(self.content), hashlib.sha256(self.content).hexdigest(), blob_id(self.content)
        )

    def addition(self) -> CommitOperationAdd:
        """Return what adds it to a commit; a buffer, for bytes would be sent by Xet where that is there."""
        return CommitOperationAdd(self.path, io.BytesIO(self.content))


def blob_id(content: bytes) -> str:
    """Return git's name for these bytes."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def papers_of(pile: PileFiles, target: HubTarget) -> list[Paper]:
    """Return the card and the provenance of a pile that is published there.

    Raises `DamagedOutputError` where the provenance is no longer what it was.
    """
    with pile.local(PROVENANCE) as path:
        lines = path.read_bytes()
    if hashlib.sha256(lines).hexdigest() != pile.provenance_sha256:
        raise DamagedOutputError(
            f"{PROVENANCE} was changed while it was published; verify the pile, push again."
        )
    place = HubCard(target.repository, picture_paths(pile), target.revision)
    card = render_card(pile.provenance, pile.provenance_sha256, hub=place)
    return [Paper(CARD, card.encode("utf-8")), Paper(PROVENANCE, lines)]


def picture_paths(pile: PileFiles) -> Mapping[str, str]:
    """Return where the picture of each source stands in the repository; a source without rows has none."""
    names = sorted({session.source for session in pile.provenance.sessions if session.rows})
    return {name: f"pictures/{picture_name(name)}" for name in names}


def drawn_pictures(pile: PileFiles) -> list[Paper]:
    """Draw the pictures of a pile."""
    paths = picture_paths(pile)
    with tempfile.TemporaryDirectory(prefix="spikemill-pictures-") as folder:
        drawn = draw_pictures(pile, Path(folder))
        return [Paper(paths[source], drawn[source].read_bytes()) for source in paths]
