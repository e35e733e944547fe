"""The storage behind both archives."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote, urlencode

from standins.archive.content import ArchiveFile, MadeUpArchive
from standins.wire.messages import Answer, FilePart, Request, requested_span

PREFIX = "/storage/"
_BLOB = re.compile(rf"{PREFIX}blobs/[0-9a-f]{{3}}/[0-9a-f]{{3}}/([0-9a-f-]{{36}})")
_DEPOSIT = re.compile(rf"{PREFIX}deposits/(\d+)/[^/]+")
_MODIFIED = "Fri, 05 Jan 2024 09:00:00 GMT"
LIFETIME = timedelta(hours=6)
_SIGNATURE = "X-Amz-Signature"
_DATE_FORM = "%Y%m%dT%H%M%SZ"


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


class SignedLinks:
    """Signs links and checks them; `expire` makes all links of before too old."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start with a secret of its own."""
        self._secret = secrets.token_bytes(32)
        self._clock = clock
        self._elapsed = timedelta()

    def expire(self) -> None:
        """Let every link that was given out so far run out."""
        self._elapsed += LIFETIME + timedelta(seconds=2)

    def sign(self, base: str, path: str, file_name: str) -> str:
        """Return a link for GET to a path of the storage at `base`."""
        query = {
            "response-content-disposition": f'attachment; filename="{file_name}"',
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"MADEUP/{self._now():%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": self._now().strftime(_DATE_FORM),
            "X-Amz-Expires": str(int(LIFETIME.total_seconds())),
            "X-Amz-SignedHeaders": "host",
        }
        query[_SIGNATURE] = self._signature("GET", path, query)
        return f"{base}{quote(path)}?{urlencode(query, quote_via=quote)}"

    def refusal(self, request: Request) -> Answer | None:
        """Return why a signed request is refused, or None where its link is good."""
        query = request.query
        if "authorization" in request.headers:
            return storage_error(HTTPStatus.BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed")
        given = query.pop(_SIGNATURE)
        if not hmac.compare_digest(given, self._signature(request.method, request.path, query)):
            return storage_error(
                HTTPStatus.FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        signed = datetime.strptime(query["X-Amz-Date"], _DATE_FORM).replace(tzinfo=UTC)
        if self._now() > signed + timedelta(seconds=int(query["X-Amz-Expires"])):
            return storage_error(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired")
        return None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC) + self._elapsed

    def _signature(self, method: str, path: str, query: dict[str, str]) -> str:
        text = "\n".join([method, path, urlencode(sorted(query.items()))])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


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


def storage_error(status: int, code: str, message: str) -> Answer:
    """Answer with an error in the XML of S3."""
    document = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(
        status,
        f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode(),
        {"Content-Type": "application/xml"},
    )


def is_signed(request: Request) -> bool:
    """Tell whether the request carries a signature."""
    return _SIGNATURE in request.query
