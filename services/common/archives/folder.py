"""A folder on this machine as an archive: a lab's own recordings."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Self

from spikemill.services.common.archives.base import Location
from spikemill.services.common.archives.patterns import path_matcher
from spikemill.services.common.catalog import FilesSource
from spikemill.services.common.errors import AssetError, CallError
from spikemill.services.common.rate_limit import RateLimiter
from spikemill.services.common.types import Asset, digest

_FILE_KINDS = (stat.S_IFREG, stat.S_IFLNK)


class FilesArchive:
    """A folder and all folders below it; an asset's id is its path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, source: FilesSource, _limiter: RateLimiter) -> Self:
        """Return the archive of a source."""
        return cls(source.folder)

    def assets(self) -> Iterator[Asset]:
        """Yield every file, in path order. A link to a file counts as the file, a link to a folder not.

        A broken link is listed too, so that its session fails instead of being left out. Raises
        `CallError` where the folder is missing.
        """
        for path, status in _listing(self._folder):
            yield Asset(asset_id=path, path=path, size=status.st_size)

    def locate(self, asset: Asset) -> Location:
        """Return the file's place on this machine."""
        place = self._folder / asset.path
        if _kind(place) != stat.S_IFREG:
            raise AssetError(
                f"{place} was removed since the folder was listed, is a broken link, or cannot be read; "
                "put the file there, or build again."
            )
        return Location(str(place), is_local=True)

    def resolve(self, asset: Asset) -> Location:
        """Return the same place: a folder's files are read in place."""
        return self.locate(asset)


def listing_fingerprint(folder: Path, include: Sequence[str], exclude: Sequence[str] = ()) -> str:
    """Return a digest of the selected files' paths, sizes and modification times, which detects changes."""
    selected = path_matcher(include, exclude)
    return digest(
        [[path, status.st_size, status.st_mtime_ns] for path, status in _listing(folder) if selected(path)]
    )


def _listing(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Return each file's path below the folder, by ascending bytes, and its status."""
    if _kind(folder) != stat.S_IFDIR:
        raise CallError(
            f"{folder} is not a folder that can be read here; correct `identifier` in the catalogue."
        )
    try:
        entries = [
            (_text(path.relative_to(folder)), _status(path))
            for parent, _, names in os.walk(folder, onerror=_refuse)
            for path in (Path(parent) / name for name in names)
        ]
    except OSError as error:
        _refuse(error)
    files = [(path, status) for path, status in entries if stat.S_IFMT(status.st_mode) in _FILE_KINDS]
    return sorted(files, key=lambda entry: entry[0].encode())


def _kind(path: Path) -> int:
    """Return the file type of what a path leads to, and 0 where that cannot be read."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return 0


def _status(path: Path) -> os.stat_result:
    """Return the status of a file; of a broken link, its own."""
    return path.lstat() if path.is_symlink() and not path.exists() else path.stat()


def _text(path: Path) -> str:
    text = path.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AssetError(f"The name of the file {text!r} is not UTF-8; rename the file.") from error
    return text


def _refuse(error: OSError) -> NoReturn:
    raise AssetError(f"{error.filename} cannot be read: {error.strerror}; make it readable.") from error
