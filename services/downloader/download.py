"""Verified copies: an asset's bytes over HTTP, resumed where they broke, checked before they count."""

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import httpx
from dandischema.digests.dandietag import DandiETag

from spikemill.services.common.archives.base import Archive, Location
from spikemill.services.common.errors import AssetError, DamagedDownloadError, NetworkError
from spikemill.services.common.files import sync_folder, writing
from spikemill.services.common.http import (
    EXPIRED_LINK,
    host_of,
    refusal,
    strong_etag,
    unreachable,
    web_client,
    without_query,
)
from spikemill.services.common.rate_limit import RateLimiter, Unlimited
from spikemill.services.common.types import FILE_NAME_DIGITS, Asset, digest

Progress = Callable[[int], None]
_LONGEST_SUFFIX = 16
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_BUFFER = 1 << 20
# The digests that can be checked, the best first.
_PREFERENCE = ("sha256", "dandi-etag", "md5")


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that is what its archive listed; `is_copy` is False where it is read in place.

    `digests` always holds `sha256`; `how` names the listed digest that agreed, or `size` where the archive
    lists none, as a folder does.
    """

    path: Path
    digests: Mapping[str, str]
    how: str
    is_copy: bool = True


class PartialFile:
    """The bytes of an asset so far, in order from the first, and the ETag of the object they are of."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = stream
        self._etag_file = path.with_name(f"{path.name}.etag")
        self.path = path
        self.size = os.fstat(stream.fileno()).st_size
        try:
            self.etag = self._etag_file.read_text(encoding="utf-8") or None
        except FileNotFoundError:
            self.etag = None

    def append(self, block: bytes) -> None:
        """Add bytes at the end."""
        self._stream.write(block)
        self.size += len(block)

    def restart(self, etag: str | None) -> None:
        """Begin again at the first byte, of the object with this ETag."""
        self._stream.truncate(0)
        self.size = 0
        self._etag_file.write_text(etag or "", encoding="utf-8")
        self.etag = etag

    def settle(self) -> None:
        """Write all bytes through to the disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def publish(self, destination: Path) -> None:
        """Rename the flushed file to its destination."""
        self._etag_file.unlink(missing_ok=True)
        self.path.replace(destination)
        sync_folder(destination.parent)

    def discard(self) -> None:
        """Delete the bytes and their ETag."""
        self._etag_file.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def fetch_asset(
    archive: Archive,
    asset: Asset,
    folder: Path,
    *,
    limiter: RateLimiter | None = None,
    client: httpx.Client | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Copy an asset into a folder, resuming where an earlier attempt stopped.

    An asset on this machine is verified in place. `progress` gets the size of each block that arrives.
    Raises `NetworkError` (try again), `AssetError` (not available), `DamagedDownloadError` (the wrong bytes
    came and were deleted), `StoreError` (the folder is full or cannot be written).
    """
    location = archive.locate(asset)
    if location.is_local:
        return _checked_in_place(Path(location.address), asset)
    if (how := _checkable(asset.digests)) is None:
        raise AssetError(
            f"{asset.path}: the archive lists no digest of it, as for a link to a file elsewhere, so a copy "
            "could not be checked; exclude it in the catalogue."
        )
    destination = folder / copy_name(asset)
    needs = f"{asset.path} has {asset.size} bytes"
    with writing(folder, needs=needs, remedy="or lower SPIKEMILL_SPOOL_BYTES, then retry"):
        folder.mkdir(parents=True, exist_ok=True)
        if (standing := _standing(destination, asset, how)) is not None:
            return standing
        usable = web_client() if client is None else nullcontext(client)
        with open_partial(destination) as partial, usable as opened:
            _transfer(opened, location, asset, partial, limiter=limiter or Unlimited(), progress=progress)
            return _published(partial, destination, asset, how)


def _checked_in_place(path: Path, asset: Asset) -> Verified:
    """Verify a file that is read in place, and that nobody writes to it meanwhile."""
    how = _checkable(asset.digests)
    try:
        before = path.stat()
        digests = _digests_of(path, how)
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
    return Verified(path, digests, how or "size", is_copy=False)


def _checkable(listed: Mapping[str, str]) -> str | None:
    """Return the best algorithm among the listed digests that can be checked, else None."""
    return next((algorithm for algorithm in _PREFERENCE if listed.get(algorithm)), None)


def copy_name(asset: Asset) -> str:
    """Return the name of an asset's copy: paths may differ in case alone, or be too long for a disk."""
    suffix = PurePosixPath(asset.path).suffix[:_LONGEST_SUFFIX]
    return f"{digest([asset.asset_id, asset.path])[:FILE_NAME_DIGITS]}{suffix}"


def _standing(destination: Path, asset: Asset, how: str) -> Verified | None:
    """Return the copy that an earlier attempt finished; a damaged one is removed."""
    if not destination.exists():
        return None
    if destination.stat().st_size == asset.size:
        digests = _digests_of(destination, how)
        if digests[how] == asset.digests[how]:
            return Verified(destination, digests, how)
    destination.unlink(missing_ok=True)
    return None


def _digests_of(path: Path, algorithm: str | None) -> dict[str, str]:
    """Return the file's sha256, which is always recorded, and its digest by the given algorithm."""
    return {name: _digest_of(path, name) for name in sorted({"sha256", algorithm or "sha256"})}


def _digest_of(path: Path, algorithm: str) -> str:
    if algorithm == "dandi-etag":
        return DandiETag.from_file(path).as_str()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


@contextmanager
def open_partial(destination: Path) -> Iterator[PartialFile]:
    """Open the partial file of a destination; while another writer holds it, one of another name."""
    for number in count(1):
        path = destination.with_name(f"{destination.name}.partial{'' if number == 1 else f'-{number}'}")
        with path.open("ab", buffering=_BUFFER) as stream:
            if _is_ours(stream, path):
                yield PartialFile(stream, path)
                return


def _is_ours(stream: BinaryIO, path: Path) -> bool:
    """Lock the file; tell whether that succeeded and the path still leads to it.

    Between open and lock its former writer may have published or discarded it.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _transfer(
    client: httpx.Client,
    location: Location,
    asset: Asset,
    partial: PartialFile,
    *,
    limiter: RateLimiter,
    progress: Progress | None,
) -> None:
    """Fetch what the partial file lacks; a broken connection leaves what has come for the next attempt."""
    if partial.size > asset.size:
        partial.restart(None)
    while partial.size < asset.size:
        limiter.wait_for_slot(host_of(location.address))
        try:
            with client.stream("GET", location.address, headers=_headers(location, partial)) as response:
                if _begins(response, asset, partial, limiter):
                    _receive(response, asset, partial, progress)
        except httpx.HTTPError as error:
            raise unreachable(location.address, error, asset.path) from error


def _headers(location: Location, partial: PartialFile) -> dict[str, str]:
    headers = {**location.headers, "Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.etag:
            headers["If-Range"] = partial.etag
    return headers


def _begins(response: httpx.Response, asset: Asset, partial: PartialFile, limiter: RateLimiter) -> bool:
    """Tell whether the body continues where the partial file ends.

    Where it does not, the partial file is emptied, and the next request is for the whole asset.
    """
    resumed = partial.size > 0
    if response.status_code == HTTPStatus.OK:
        if response.headers.get("Content-Type", "").startswith("text/html"):
            place = without_query(str(response.url))
            raise NetworkError(f"{asset.path}: {place} answered with a web page in place of the file.")
        length = response.headers.get("Content-Length")
        if length is not None and int(length) != asset.size:
            raise _other_size(asset, partial, length)
        partial.restart(strong_etag(response.headers))
        return True
    if resumed and response.status_code == HTTPStatus.PARTIAL_CONTENT:
        return _continues(response, asset, partial)
    if resumed and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        partial.restart(None)
        return False
    raise _refused(response, asset, limiter)


def _continues(response: httpx.Response, asset: Asset, partial: PartialFile) -> bool:
    """Tell whether a 206 is the rest of the same object."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    etag = strong_etag(response.headers)
    is_other = partial.etag is not None and etag is not None and etag != partial.etag
    if found is None or int(found[1]) != partial.size or is_other:
        partial.restart(None)
        return False
    if found[2] not in ("*", str(asset.size)):
        raise _other_size(asset, partial, found[2])
    return True


def _receive(response: httpx.Response, asset: Asset, partial: PartialFile, progress: Progress | None) -> None:
    for block in response.iter_raw():
        if partial.size + len(block) > asset.size:
            raise _other_size(asset, partial, "more")
        partial.append(block)
        if progress is not None:
            progress(len(block))
    if partial.size < asset.size:
        raise NetworkError(
            f"{asset.path}: the answer ended after {partial.size} of {asset.size} bytes; "
            "the next attempt goes on from there."
        )


def _other_size(asset: Asset, partial: PartialFile, size: str) -> DamagedDownloadError:
    partial.discard()
    return DamagedDownloadError(
        f"{asset.path}: the archive lists {asset.size} bytes and sends {size}; the copy was thrown away."
    )


def _refused(response: httpx.Response, asset: Asset, limiter: RateLimiter) -> NetworkError | AssetError:
    address = str(response.url)
    if response.history and response.status_code in EXPIRED_LINK:
        return NetworkError(
            f"{asset.path}: the storage behind the archive answered {response.status_code} to a signed link "
            f"({without_query(address)}), as when it has expired; the next attempt gets a new one."
        )
    return refusal(response.status_code, response.headers, address, limiter, asset.path)


def _published(partial: PartialFile, destination: Path, asset: Asset, how: str) -> Verified:
    partial.settle()
    digests = _digests_of(partial.path, how)
    if digests[how] != asset.digests[how]:
        partial.discard()
        raise DamagedDownloadError(
            f"{asset.path}: its {how} is {digests[how]}, the archive lists {asset.digests[how]}; "
            "the copy was thrown away."
        )
    partial.publish(destination)
    return Verified(destination, digests, how)
