"""The contents of a repository's files, each under its sha256, which is checked when it is taken in."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.demo.hub.disk import written_whole
from services.demo.hub.refusals import refusal

_WRONG = "The bytes that came are not those that were announced; upload the file again."


@dataclass(frozen=True, slots=True)
class Objects:
    """The contents in a folder; parts of large ones stand beside them until they are put together."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Return where a content stands, or would."""
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Tell whether a content is there."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def take(self, body: Iterator[bytes], sha256: str, size: int) -> None:
        """Take a content in; bytes of another sha256 or size are refused."""
        found = hashlib.sha256()
        came = 0
        with written_whole(self.path(sha256)) as file:
            for piece in body:
                file.write(piece)
                found.update(piece)
                came += len(piece)
            if (found.hexdigest(), came) != (sha256, size):
                raise refusal(400, _WRONG)

    def take_part(self, body: Iterator[bytes], sha256: str, number: int) -> str:
        """Take a part of a content in, and return its ETag."""
        found = hashlib.md5(usedforsecurity=False)
        with written_whole(self._parts(sha256) / str(number)) as file:
            for piece in body:
                file.write(piece)
                found.update(piece)
        return f'"{found.hexdigest()}"'

    def complete(self, sha256: str, size: int, etags: dict[int, str]) -> None:
        """Put the parts together; the same request again finds it done."""
        if self.has(sha256, size):
            return
        self._require_parts(sha256, etags)
        self.take(self._all_parts(sha256, sorted(etags)), sha256, size)
        shutil.rmtree(self._parts(sha256))

    def _parts(self, sha256: str) -> Path:
        return self.folder / "parts" / sha256

    def _require_parts(self, sha256: str, etags: dict[int, str]) -> None:
        for number, etag in etags.items():
            part = self._parts(sha256) / str(number)
            if not part.is_file() or etag != _etag(part):
                raise refusal(400, f"Part {number} is not here as it was told; upload the file again.")

    def _all_parts(self, sha256: str, numbers: list[int]) -> Iterator[bytes]:
        for number in numbers:
            with (self._parts(sha256) / str(number)).open("rb") as file:
                while piece := file.read(1 << 20):
                    yield piece


def _etag(path: Path) -> str:
    with path.open("rb") as file:
        return f'"{hashlib.file_digest(file, _md5).hexdigest()}"'


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)
