"""The content of a file under a request's ranges and conditions, as S3 answers them."""

from http import HTTPStatus

from services.demo.archive_file import ArchiveFile
from services.demo.storage.signed_links import storage_error
from services.demo.wire.messages import Answer, FilePart, Request
from services.demo.wire.ranges import requested_span

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
    span = requested_span(request, etag, size)
    if span is None:
        return Answer(HTTPStatus.OK, FilePart(file.open, 0, size), headers)
    if not span:
        refusal = storage_error(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range is not satisfiable",
        )
        return Answer(refusal.status, refusal.body, {**refusal.headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return Answer(HTTPStatus.PARTIAL_CONTENT, FilePart(file.open, span.start, len(span)), headers)
