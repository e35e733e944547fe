"""The storage behind both archives."""

import re
from http import HTTPStatus

from services.demo.archive import MadeUpArchive
from services.demo.archive_file import ArchiveFile
from services.demo.storage.ranges import content_answer
from services.demo.storage.signed_links import SignedLinks, is_signed, storage_error
from services.demo.wire.messages import Answer, Request

PREFIX = "/storage/"
_BLOB = re.compile(rf"{PREFIX}blobs/[0-9a-f]{{3}}/[0-9a-f]{{3}}/([0-9a-f-]{{36}})")
_DEPOSIT = re.compile(rf"{PREFIX}deposits/(\d+)/[^/]+")


def storage_base(host: str) -> str:
    """Return the storage's address: another host name than the API's, so that clients drop their tokens."""
    return f"http://{host.replace('127.0.0.1', 'localhost')}"


def blob_path(file: ArchiveFile) -> str:
    """Return where a dandiset's file lies; without a signature it is public."""
    blob = file.blob_id
    return f"{PREFIX}blobs/{blob[:3]}/{blob[3:6]}/{blob}"


def deposit_path(file: ArchiveFile) -> str:
    """Return where an article's file lies; it is never had without a signed link."""
    return f"{PREFIX}deposits/{file.number}/{file.name}"


class Storage:
    """Answers requests for content."""

    def __init__(self, archive: MadeUpArchive, links: SignedLinks) -> None:
        """Serve an archive's files; `links` checks the requests that carry a signature."""
        self._archive = archive
        self._links = links

    def answer(self, request: Request) -> Answer:
        """Answer a request below `PREFIX`."""
        if refusal := self._refusal(request):
            return refusal
        stored = self._find(request.path)
        if stored is None:
            return storage_error(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
        return content_answer(request, *stored)

    def _refusal(self, request: Request) -> Answer | None:
        """Return why this request may not have what it asks for, or None where it may."""
        if is_signed(request):
            return self._links.refusal(request)
        if request.method in {"GET", "HEAD"} and _BLOB.fullmatch(request.path):
            return None
        return storage_error(HTTPStatus.FORBIDDEN, "AccessDenied", "Access Denied")

    def _find(self, path: str) -> tuple[ArchiveFile, str] | None:
        """Find the file that lies at a path, and its ETag.

        DANDI makes its digest of the parts of an upload, as S3 makes the ETag: a blob has one for both.
        """
        if blob := _BLOB.fullmatch(path):
            file = self._archive.blob(blob[1])
            return (file, f'"{file.digests.dandi_etag}"') if file else None
        if deposit := _DEPOSIT.fullmatch(path):
            file = self._archive.article_file(int(deposit[1]))
            return (file, f'"{file.digests.md5}"') if file else None
        return None
