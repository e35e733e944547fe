"""The bodies of requests, read from their connection as they come: nothing is held that was not asked for."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from io import BufferedIOBase

from services.demo.wire.journal import Entry
from services.demo.wire.messages import Answer, RefusalError, Request

_PIECE = 1 << 16
_LINE = 1 << 10
_LIMIT = 64 << 20


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
        piece = source.read(min(_PIECE, left))
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
