"""An archive's API and the storage behind it, with the faults that a test asks for."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SIGNATURE = "X-Amz-Signature=0123456789"
_PATIENCE = 60.0


@dataclass
class Seen:
    """A request to the storage, and how many bytes of content were sent for it."""

    range: str | None
    if_range: str | None
    if_match: str | None
    authorization: str | None
    sent: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer before it is sent."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, **headers: str | None) -> "Reply":
        """Replace some headers, which are named with underscores, or leave them out."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        changed = {**self.headers, **named}
        return replace(self, headers={name: value for name, value in changed.items() if value is not None})


class FaultStorage:
    """One object; a request meets the next fault of its script, or the one at a place that it asks for.

    `always` is what every request to the storage meets that meets nothing else.
    """

    def __init__(self, content: bytes) -> None:
        """Hold an object, without any fault."""
        self.content = content
        self.etag: str | None = '"first"'
        self.is_public = True
        self.api_script: list[Fault] = []
        self.storage_script: list[Fault] = []
        self.places: list[tuple[int, Fault]] = []
        self.always: Fault | None = None
        self.seen: list[Seen] = []
        self.api_requests = 0
        self.links = 0
        self.expired_links = 0
        self.port = 0
        self.connections = 0
        self.most_connections = 0
        self.released = threading.Event()
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """The host and port of the API."""
        return f"127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The address of the API, without a slash at the end."""
        return f"http://{self.host}/api"

    @property
    def public_address(self) -> str:
        """Where the object lies: another host than the API's."""
        return f"http://localhost:{self.port}/object"

    @property
    def ranges(self) -> list[str | None]:
        """The Range of each request to the storage."""
        return [seen.range for seen in self.seen]

    @property
    def bytes_sent(self) -> int:
        """How many bytes of content the storage sent in all."""
        return sum(seen.sent for seen in self.seen)

    def new_link(self) -> str:
        """Sign a link to the object."""
        with self._lock:
            self.links += 1
            return f"{self.public_address}?{SIGNATURE}-{self.links}"

    def expire_links(self) -> None:
        """Let every link that was given out so far run out."""
        self.expired_links = self.links

    def api_answer(self) -> "Fault":
        """Return what the next request to the API meets."""
        self.api_requests += 1
        return self.api_script.pop(0) if self.api_script else described_or_redirected

    def storage_answer(self, asked: range) -> "Fault":
        """Return what a request to the storage for these bytes meets."""
        with self._lock:
            if self.storage_script:
                return self.storage_script.pop(0)
            for number, (place, _) in enumerate(self.places):
                if place in asked:
                    return self.places.pop(number)[1]
        return self.always or content

    def count_connection(self, change: int) -> None:
        """Note that a connection to the object was opened (1) or closed (-1)."""
        with self._lock:
            self.connections += change
            self.most_connections = max(self.most_connections, self.connections)


class Server(ThreadingHTTPServer):
    """Serves one object to many connections."""

    daemon_threads = True
    request_queue_size = 128
    storage: FaultStorage

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients may hang up."""


class Handler(BaseHTTPRequestHandler):
    """Answers at `/api/...` as an archive, and at `/object` with the content."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    seen: Seen | None = None

    def do_GET(self) -> None:
        """Answer with the next fault, or as an archive does."""
        storage = self.server.storage
        if urlsplit(self.path).path.startswith("/api/"):
            storage.api_answer()(self)
        else:
            self._note()
            storage.storage_answer(self.asked or range(len(storage.content)))(self)

    @property
    def asked(self) -> range | None:
        """The bytes that are asked for, None where no range is."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if found is None:
            return None
        size = len(self.server.storage.content)
        return range(int(found[1]), min(int(found[2]) + 1, size) if found[2] else size)

    def finish(self) -> None:
        """Count the connection no longer."""
        if self.seen is not None:
            self.server.storage.count_connection(-1)
        super().finish()

    def send(self, reply: Reply, cut: int | None = None) -> None:
        """Send an answer, and close the connection after `cut` bytes of its body."""
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.send_body(reply.body[:cut])
        self.close_connection = self.close_connection or cut is not None

    def send_body(self, body: bytes) -> None:
        """Send bytes of the content."""
        if self.seen is not None:
            # Counted first, so that whoever has received it finds it counted.
            self.seen.sent += len(body)
        self.wfile.write(body)

    def hold(self) -> None:
        """Say nothing more until the storage is released."""
        self.wfile.flush()
        self.server.storage.released.wait(_PATIENCE)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""

    def _note(self) -> None:
        storage = self.server.storage
        if self.seen is None:
            storage.count_connection(1)
        asked = self.headers
        self.seen = Seen(asked["Range"], asked["If-Range"], asked["If-Match"], asked["Authorization"])
        storage.seen.append(self.seen)


Fault = Callable[[Handler], None]


def described_or_redirected(handler: Handler) -> None:
    """Tell where an asset's content is to be had, or send the caller there by a signed link."""
    storage = handler.server.storage
    if re.fullmatch(r"/api/assets/[^/]+/", handler.path):
        addresses = [f"{storage.api}/assets/a-1/download/"]
        addresses += [storage.public_address] if storage.is_public else []
        handler.send(Reply(200, body=json.dumps({"contentUrl": addresses}).encode()))
    else:
        handler.send(Reply(302, {"Location": storage.new_link()}))


def content(handler: Handler) -> None:
    """Answer as S3 does."""
    handler.send(right_reply(handler))


def right_reply(handler: Handler) -> Reply:
    """Return what S3 answers: 206, 416 past the end, 412 where If-Match differs, 403 to an expired link."""
    storage = handler.server.storage
    link = re.search(rf"{re.escape(SIGNATURE)}-(\d+)$", handler.path)
    if link is not None and int(link[1]) <= storage.expired_links:
        return Reply(403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
    if handler.headers["If-Match"] not in (None, storage.etag):
        return Reply(412)
    headers = {"ETag": storage.etag} if storage.etag else {}
    differs = handler.headers["If-Range"] not in (None, storage.etag)
    asked, size = handler.asked, len(storage.content)
    if asked is None or differs:
        return Reply(200, headers, storage.content)
    if not asked:
        return Reply(416, headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
    return Reply(206, headers, storage.content[asked.start : asked.stop])


@contextmanager
def serve_storage(data: bytes) -> Iterator[FaultStorage]:
    """Serve an object on loopback, as long as the context lasts."""
    storage = FaultStorage(data)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.storage = storage
        storage.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield storage
        finally:
            storage.released.set()
            server.shutdown()
            thread.join()
