"""An archive's download address and the storage behind it, with the faults that a test asks for."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SIGNATURE = "X-Amz-Signature=0123456789"


@dataclass(frozen=True)
class Seen:
    """A request to the storage, and how many bytes of content were sent for it."""

    range: str | None
    if_range: str | None
    authorization: str | None
    sent: int


class FaultStorage:
    """One object; each request to the API or the storage meets the next fault of its script, if any."""

    def __init__(self, content: bytes) -> None:
        """Hold an object, without any fault."""
        self.content = content
        self.etag: str | None = '"first"'
        self.api_script: list[Fault] = []
        self.storage_script: list[Fault] = []
        self.seen: list[Seen] = []
        self.api_requests = 0
        self.port = 0

    @property
    def host(self) -> str:
        """The host and port of the API."""
        return f"127.0.0.1:{self.port}"

    @property
    def ranges(self) -> list[str | None]:
        """The Range of each request to the storage."""
        return [seen.range for seen in self.seen]

    @property
    def bytes_sent(self) -> int:
        """How many bytes of content the storage sent in all."""
        return sum(seen.sent for seen in self.seen)


class Server(ThreadingHTTPServer):
    """Serves one object to many connections."""

    daemon_threads = True
    storage: FaultStorage


class Handler(BaseHTTPRequestHandler):
    """Answers at `/api/...` with a redirect to a signed link, and at `/object` with the content."""

    server: Server

    def do_GET(self) -> None:
        """Answer with the next fault, or as an archive does."""
        storage = self.server.storage
        if self.path.startswith("/api/"):
            storage.api_requests += 1
            fault = storage.api_script.pop(0) if storage.api_script else redirect
            fault(self)
        else:
            fault = storage.storage_script.pop(0) if storage.storage_script else content
            headers = self.headers
            sent = fault(self) or 0
            storage.seen.append(Seen(headers["Range"], headers["If-Range"], headers["Authorization"], sent))

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"", cut: int | None = None) -> int:
        """Send an answer, and close the connection after `cut` bytes of its body."""
        sent = body[:cut]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)
        return len(sent)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""


Fault = Callable[[Handler], int | None]


def redirect(handler: Handler) -> None:
    """Send the caller to the storage, which is another host than the API."""
    place = f"http://localhost:{handler.server.server_port}/object?{SIGNATURE}"
    handler.answer(302, {"Location": place})


def content(handler: Handler, *, cut: int | None = None, honour_range: bool = True) -> int:
    """Answer as S3 does: 206 from the offset, 416 past the end, and the whole where If-Range differs."""
    storage = handler.server.storage
    headers = {"ETag": storage.etag} if storage.etag else {}
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    differs = handler.headers["If-Range"] not in (None, storage.etag)
    if found is None or differs or not honour_range:
        return handler.answer(200, headers, storage.content, cut)
    first, size = int(found[1]), len(storage.content)
    if first >= size:
        return handler.answer(416, headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    return handler.answer(206, headers, storage.content[first:], cut)


def cut_after(count: int) -> Fault:
    """Answer rightly, and break the connection after so many bytes."""
    return lambda handler: content(handler, cut=count)


def whole(handler: Handler) -> int:
    """Answer with the whole object, whatever part was asked for."""
    return content(handler, honour_range=False)


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status; headers are named with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(code, named, body)


@contextmanager
def serve_storage(data: bytes) -> Iterator[FaultStorage]:
    """Serve an object on loopback, as long as the context lasts."""
    storage = FaultStorage(data)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.storage = storage
        storage.port = server.server_port
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield storage
        finally:
            server.shutdown()
            thread.join()
