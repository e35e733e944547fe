"""Verified copies: an asset's bytes on this machine, checked whole before the file has its name."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx

from services.common.archives.base import Archive, Asset
from services.common.errors import AssetError, DamagedDownloadError, StoreError
from services.common.folders import DISK_FULL
from services.common.identity import FILE_NAME_DIGITS, digest
from services.common.pacing import RequestPacer, Unpaced
from services.common.web import web_client
from services.downloader.digests import checkable, digests_of
from services.downloader.partial import PartialFile, open_partial
from services.downloader.transfer import Progress, transfer

_LONGEST_SUFFIX = 16


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that is what its archive listed; `is_copy` where it was made, not found.

    `digests` always holds `sha256`; `how` names the listed digest that agreed, or `size` where the archive
    lists none, as a folder does.
    """

    path: Path
    size: int
    digests: Mapping[str, str]
    how: str
    is_copy: bool = True


def fetch_asset(
    archive: Archive,
    asset: Asset,
    folder: Path,
    *,
    pacer: RequestPacer | None = None,
    client: httpx.Client | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Bring an asset into a folder, once, going on where an earlier attempt stopped.

    An asset on this machine is checked where it lies. `progress` is told of each block that arrives.
    Raises `NetworkError` (try again), `AssetError` (it is not to be had), `DamagedDownloadError` (other bytes
    came, and were thrown away), `StoreError` (the folder is full or cannot be written).
    """
    location = archive.locate(asset)
    if location.is_local:
        return _checked_in_place(Path(location.address), asset)
    how = checkable(asset.digests)
    if how is None:
        raise AssetError(
            f"{asset.path}: the archive lists no digest of it, as for a link to a file elsewhere, so a copy "
            "could not be checked; exclude it in the catalogue."
        )
    destination = folder / copy_name(asset)
    with _store_errors(folder, asset):
        folder.mkdir(parents=True, exist_ok=True)
        standing = _standing(destination, asset, how)
        if standing is not None:
            return standing
        with open_partial(destination) as partial, _client(client) as usable:
            transfer(usable, location, asset, partial, pacer=pacer or Unpaced(), progress=progress)
            return _published(partial, destination, asset, how)


def copy_name(asset: Asset) -> str:
    """Return the name of an asset's copy: paths may differ in case alone, or be too long for a disk."""
    suffix = PurePosixPath(asset.path).suffix[:_LONGEST_SUFFIX]
    return f"{digest([asset.asset_id, asset.path])[:FILE_NAME_DIGITS]}{suffix}"


def _standing(destination: Path, asset: Asset, how: str) -> Verified | None:
    """Return the copy that an earlier attempt finished; a damaged one is removed."""
    if not destination.exists():
        return None
    if destination.stat().st_size == asset.size:
        digests = digests_of(destination, how)
        if digests[how] == asset.digests[how]:
            return Verified(destination, asset.size, digests, how)
    destination.unlink(missing_ok=True)
    return None


def _published(partial: PartialFile, destination: Path, asset: Asset, how: str) -> Verified:
    partial.settle()
    digests = digests_of(partial.path, how)
    if digests[how] != asset.digests[how]:
        partial.discard()
        raise DamagedDownloadError(
            f"{asset.path}: its {how} is {digests[how]}, the archive lists {asset.digests[how]}; "
            "the copy was thrown away."
        )
    partial.publish(destination)
    return Verified(destination, asset.size, digests, how)


def _checked_in_place(path: Path, asset: Asset) -> Verified:
    """Take the digests of a file that is used where it lies, and see that nobody writes to it meanwhile."""
    how = checkable(asset.digests)
    try:
        before = path.stat()
        digests = digests_of(path, how)
        after = path.stat()
    except OSError as error:
        raise AssetError(f"{path} cannot be read: {error.strerror}; make it readable, then retry.") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise AssetError(f"{path} changed while it was read; build again when it is written.")
    if before.st_size != asset.size:
        raise AssetError(
            f"{path} has {before.st_size} bytes and had {asset.size} when its folder was listed; build again."
        )
    if how is not None and digests[how] != asset.digests[how]:
        raise AssetError(f"{path}: its {how} is {digests[how]} and was listed as {asset.digests[how]}.")
    return Verified(path, asset.size, digests, how or "size", is_copy=False)


@contextmanager
def _client(given: httpx.Client | None) -> Iterator[httpx.Client]:
    """Use the given client and leave it open, or one of our own."""
    if given is not None:
        yield given
    else:
        with web_client() as own:
            yield own


@contextmanager
def _store_errors(folder: Path, asset: Asset) -> Iterator[None]:
    """Tell what the disk said as an error that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StoreError(
                f"{folder} is full: {asset.path} has {asset.size} bytes; "
                "free space there, or lower SPIKEMILL_SPOOL_BYTES."
            ) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(
            f"{folder} cannot be written: {reason}; see that the workers may, then retry."
        ) from error
