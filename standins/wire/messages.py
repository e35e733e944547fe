"""Requests and answers, apart from the sockets that carry them."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BufferedIOBase
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

_PIECE = 1 << 16
_BODY_PIECE = 1 << 16
_LINE = 1 << 10
_LIMIT = 64 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Request:
    """A request: `target` is path and query as they were sent, header names are in lower case.

    The body comes from the connection as it is read, so it can be read once.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The query, decoded; of a repeated key the last value."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def host(self) -> str:
        """The name and port under which the client knows this server."""
        return self.headers.get("host", "")

    def url(self, **query: object) -> str:
        """Return the address of this request, with some of its query replaced."""
        changed = urlencode(self.query | query)
        return f"http://{self.host}{urlsplit(self.target).path}?{changed}"

    def with_slash(self) -> str:
        """Return the address of this request with a slash at the end of its path."""
        parts = urlsplit(self.target)
        return parts._replace(path=f"{parts.path}/").geturl()


class Content(Protocol):
    """The body of an answer, where it is more than a few bytes."""

    @property
    def length(self) -> int:
        """The number of bytes."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, a piece at a time."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of a file, from `first` on."""

    open: Callable[[], BinaryIO]
    first: int
    length: int

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, a piece at a time."""
        with self.open() as content:
            content.seek(self.first)
            left = self.length
            while left and (piece := content.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes | Content = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """The number of bytes in the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.length

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, a piece at a time."""
        return iter([self.body]) if isinstance(self.body, bytes) else self.body.pieces()


class RefusalError(Exception):
    """Ends the making of an answer early: this one is sent."""

    def __init__(self, answer: Answer) -> None:
        """Keep the answer to send."""
        super().__init__(answer.status)
        self.answer = answer


def json_answer(value: Any, status: int = HTTPStatus.OK) -> Answer:
    """Answer with a JSON document."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def redirect(address: str, status: int = HTTPStatus.FOUND) -> Answer:
    """Answer that the thing is elsewhere; the body is empty."""
    return Answer(status, headers={"Location": address, "Content-Type": "text/html; charset=utf-8"})


def page_not_found() -> Answer:
    """Answer as a web framework does when no route fits: 404 and HTML."""
    page = b"<!doctype html><html><head><title>Not Found</title></head><body><h1>Not Found</h1></body></html>"
    return Answer(HTTPStatus.NOT_FOUND, page, {"Content-Type": "text/html; charset=utf-8"})


@dataclass
class Entry:
    """One request, and what has been sent for it so far.

    `moment` is on the monotonic clock, in seconds; `status` is 0 while nothing was sent; `bytes_sent` and
    `bytes_received` count the bodies.
    """

    moment: float
    method: str
    target: str
    range: str | None
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Journal:
    """The requests of a server in the order of their arrival; safe between threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def open_entry(self, request: Request) -> Entry:
        """Note that a request has come."""
        target = unquote(request.target)
        entry = Entry(time.monotonic(), request.method, target, request.headers.get("range"))
        with self._lock:
            self._entries.append(entry)
        return entry

    def find(self, pattern: str = "", method: str | None = None) -> list[Entry]:
        """Return the requests whose decoded path and query have a match of the pattern."""
        with self._lock:
            entries = list(self._entries)
        return [
            entry
            for entry in entries
            if re.search(pattern, entry.target) and (method is None or entry.method == method)
        ]

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._entries.clear()


class BrokenOffError(ConnectionError):
    """The client went away before its body was whole."""


def body_of(headers: Mapping[str, str], source: BufferedIOBase) -> Iterator[bytes]:
    """Yield the body that follows these headers, whether its length is told or it comes in chunks."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(source)
    return _exactly(source, int(headers.get("content-length", 0)))


def counted(body: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    """Yield a body, and note in the journal how much of it came."""
    for piece in body:
        entry.bytes_received += len(piece)
        yield piece


def drain(body: Iterator[bytes]) -> None:
    """Read what is left of a body, so that the next request on its connection can be told apart."""
    for _ in body:
        pass


def whole_body(request: Request) -> bytes:
    """Return the body of a request; one that is far too large is refused."""
    content = bytearray()
    for piece in request.body:
        content += piece
        if len(content) > _LIMIT:
            raise RefusalError(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"The request is too large."))
    return bytes(content)


def _exactly(source: BufferedIOBase, length: int) -> Iterator[bytes]:
    left = length
    while left:
        piece = source.read(min(_BODY_PIECE, left))
        if not piece:
            raise BrokenOffError(f"{left} of {length} bytes did not come")
        left -= len(piece)
        yield piece


def _chunks(source: BufferedIOBase) -> Iterator[bytes]:
    """Yield what comes in chunks; trailers are read over."""
    while size := _chunk_size(source):
        yield from _exactly(source, size)
        source.readline(_LINE)
    while source.readline(_LINE).strip():
        pass


def _chunk_size(source: BufferedIOBase) -> int:
    line = source.readline(_LINE)
    try:
        return int(line.split(b";")[0], 16)
    except ValueError as error:
        raise BrokenOffError("the next chunk did not come") from error


def requested_span(request: Request, etag: str, size: int) -> range | None:
    """Return the bytes that the request wants: None for all of them, an empty range for none that exist.

    `etag` is the file's, with its quotes. Several ranges at once, or a form that is not understood, get all
    of them.
    """
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    return range(int(first), min(int(last) + 1, size) if last else size)
