"""Where a card says that its pile is to be had: in a folder, or in a repository of the hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from services.common.hub_target import MAIN


@dataclass(frozen=True, slots=True)
class HubCard:
    """A repository that a card stands in, and the pictures beside it: paths in it, by source."""

    repository: str
    pictures: Mapping[str, str]
    revision: str = MAIN


class Place(Protocol):
    """How the programs in a card name the pile."""

    @property
    def explanation(self) -> str:
        """What there is to say of the name, if anything."""

    @property
    def loaded(self) -> str:
        """The arguments of `load_dataset` that name it."""

    @property
    def opening(self) -> str:
        """The lines that make `shards` a pyarrow dataset of its train split."""

    @property
    def fetching(self) -> str:
        """The lines of a shell that make a folder of it."""

    @property
    def folder(self) -> str:
        """The name of that folder."""

    def pinned(self, tag: str) -> str:
        """Return how just this release is loaded, if others may stand there later."""


class FolderPlace:
    """A folder, which whoever reads the card knows."""

    explanation = "`PATH` stands for the folder that holds this file.\n\n"
    loaded = '"PATH"'
    opening = (
        "from pathlib import Path\n\nimport pyarrow.dataset as ds\n\n"
        'shards = ds.dataset(sorted(Path("PATH").glob("data/train-*")))\n'
    )
    fetching = ""
    folder = "PATH"

    def pinned(self, tag: str) -> str:  # noqa: ARG002
        """Return nothing: a folder has no tags."""
        return ""


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A branch of a repository."""

    card: HubCard

    @property
    def explanation(self) -> str:
        """What there is to say of the name: nothing."""
        return ""

    @property
    def loaded(self) -> str:
        """The arguments of `load_dataset` that name it."""
        repository, revision = self.card.repository, self.card.revision
        return f'"{repository}"' if revision == MAIN else f'"{repository}", revision="{revision}"'

    @property
    def opening(self) -> str:
        """The lines that make `shards` a pyarrow dataset of its train split."""
        revision = "" if self.card.revision == MAIN else f"@{quote(self.card.revision, safe='')}"
        return (
            "import pyarrow.dataset as ds\nfrom huggingface_hub import HfFileSystem\n\n"
            "hub = HfFileSystem()\n"
            f'files = hub.glob("datasets/{self.card.repository}{revision}/data/train-*")\n'
            "shards = ds.dataset(files, filesystem=hub)\n"
        )

    @property
    def fetching(self) -> str:
        """The lines of a shell that make a folder of it."""
        revision = "" if self.card.revision == MAIN else f" --revision {self.card.revision}"
        return (
            f"$ hf download {self.card.repository} --repo-type dataset{revision} --local-dir {self.folder}\n"
        )

    @property
    def folder(self) -> str:
        """The name of that folder."""
        return "pile"

    def pinned(self, tag: str) -> str:
        """Return how just this release is loaded."""
        loaded = f'load_dataset("{self.card.repository}", revision="{tag}")'
        return f"\n`{loaded}` loads just these rows, whatever is pushed later.\n"
