"""A pile that a person names, wherever it stands, and the release that it is by its place."""

from dataclasses import dataclass
from pathlib import Path

from services.cli.local.home import Home
from services.cli.pile_here import pile_in_store
from services.common.storage import is_object_address, store_at
from services.merger.hub import StoredPile
from services.merger.hub.pile_files import pile_in_folder

_PILES = "piles"


@dataclass(frozen=True, slots=True)
class NamedPile:
    """A pile, the digest of its release if it stands among others, and the home they stand in, if any."""

    files: StoredPile
    release: str | None
    home: Home | None = None


def named_pile(pile: str) -> NamedPile:
    """Find a pile; of one in an object store nothing but what is asked for is read.

    Raises `CallError` where there is none.
    """
    if is_object_address(pile):
        store = store_at(pile)
        name = pile_in_store(store, pile)
        return NamedPile(StoredPile(store, name), _release(f"{pile.rstrip('/')}/{name}".rstrip("/")))
    # A build may switch the link to another pile meanwhile.
    folder = Path(pile).resolve()
    release = _release(str(folder))
    return NamedPile(pile_in_folder(folder), release, Home(folder.parent.parent) if release else None)


def _release(place: str) -> str | None:
    parent, _, name = place.rpartition("/")
    return name if parent.rpartition("/")[2] == _PILES else None
