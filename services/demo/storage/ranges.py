"""The content of a file under a request's ranges and conditions, as S3 answers them."""

import re
from http import HTTPStatus

from services.demo.archive_file import ArchiveFile
from services.demo.storage.signed_links import storage_error
from services.demo.wire.messages import Answer, FilePart, Request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_MODIFIED = "Fri, 05 Jan 2024 09:00:00 GMT"


def content_answer(request: Request, file: ArchiveFile, etag: str) -> Answer:
    """Answer with the whole content (200), the part that was asked for (206), or why not (412, 416).

    `etag` is the object's, with its quotes.
    """
    size = file.size
    if request.headers.get("if-match", etag) not in {etag, "*"}:
        return storage_error(
            HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed", "At least one condition did not hold"
        )
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "ETag": etag,
        "Last-Modified": _MODIFIED,
    }
    span = _span(request, etag, size)
    if span is None:
        return Answer(HTTPStatus.OK, FilePart(file, 0, size), headers)
    if not span:
        refusal = storage_error(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range is not satisfiable",
        )
        return Answer(refusal.status, refusal.body, {**refusal.headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return Answer(HTTPStatus.PARTIAL_CONTENT, FilePart(file, span.start, len(span)), headers)


def _span(request: Request, etag: str, size: int) -> range | None:
    """Return the bytes that the request wants: None for all of them, an empty range for none that exist.

    Several ranges at once, or a form that is not understood, get all of them.
    """
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    return range(int(first), min(int(last) + 1, size) if last else size)
