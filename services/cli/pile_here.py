"""A pile as a folder of this machine, wherever it stands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.cli.printing import output
from services.cli.wording import size
from services.common.errors import CallError
from services.common.storage import Store, is_object_address, store_at
from services.merger.pile_layout import PROVENANCE, pile_folder


def pile_in_store(store: Store, pile: str) -> str:
    """Return the folder of a store that holds the pile of this address: its newest, or all of it.

    Raises `CallError` where there is none.
    """
    release = store.pile()
    folder = "" if release is None else pile_folder(release)
    if f"{folder}/{PROVENANCE}".lstrip("/") not in store.files(folder):
        raise CallError(f"{pile} holds no pile; name a store that has one, or one of the piles in it.")
    return folder


@contextmanager
def pile_here(pile: str) -> Iterator[Path]:
    """Give a pile's folder; one in an object store is downloaded for as long as the block lasts.

    Such a pile is named by its own address, or by that of its store for the newest. Raises `CallError` where
    there is none.
    """
    if is_object_address(pile):
        with _downloaded(store_at(pile), pile) as folder:
            yield folder
    else:
        yield Path(pile)


@contextmanager
def _downloaded(store: Store, pile: str) -> Iterator[Path]:
    release = pile_in_store(store, pile)
    prefix = f"{release}/" if release else ""
    sizes = store.files(prefix)
    with store.draft("pile") as folder:
        output().print(f"Reading {size(sum(sizes.values()))} from {store.place}/{prefix} into {folder}")
        for name in sizes:
            target = folder / name.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            with store.local(name) as copy:
                copy.replace(target)
        yield folder
