"""Requests and answers, apart from the sockets that carry them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

_PIECE = 1 << 16


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
