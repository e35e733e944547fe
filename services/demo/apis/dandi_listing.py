"""Which assets of a version a request asks for, and in which order."""

import re
from collections.abc import Sequence

from services.demo.archive_file import ArchiveFile
from services.demo.wire.messages import Request

ORDERS = ("created", "modified", "path")


def listed_assets(request: Request, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Filter by the query's `path`, `glob` and `zarr`, and sort by its `order`."""
    query = request.query
    chosen = _below(query.get("path", ""), files)
    if glob := query.get("glob"):
        pattern = _whole_path(glob)
        chosen = [file for file in chosen if pattern.fullmatch(file.path)]
    if query.get("zarr") == "true":
        chosen = [file for file in chosen if file.kind == "zarr"]
    return _in_order(query.get("order", ""), chosen)


def _below(prefix: str, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Return the file that has exactly this path, else those that begin with it, in upper or lower case."""
    exact = [file for file in files if file.path == prefix]
    return exact or [file for file in files if file.path.lower().startswith(prefix.lower())]


def _whole_path(glob: str) -> re.Pattern[str]:
    """Compile a glob: only `*` is special, it crosses `/`, and case does not matter."""
    return re.compile(".*".join(re.escape(text) for text in glob.split("*")), re.IGNORECASE)


def _in_order(order: str, files: list[ArchiveFile]) -> list[ArchiveFile]:
    """Sort by path in bytes; by date is as the files were put in, for all have one date."""
    if order.removeprefix("-") == "path":
        files = sorted(files, key=lambda file: file.path.encode())
    return files[::-1] if order.startswith("-") else files
