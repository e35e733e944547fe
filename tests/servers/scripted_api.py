"""A small API for tests: each path has a script of answers, and the last of them is given for ever."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Reply:
    """An answer; `cut` closes the connection after so many bytes of the body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None

    def content(self) -> bytes:
        """Return the body: bytes as they are, anything else as JSON."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class ScriptedApi:
    """The script, and the targets that were asked for."""

    def __init__(self) -> None:
        """Start without any answer: everything is 404."""
        self.script: dict[str, list[Reply]] = {}
        self.requests: list[str] = []
        self.address = ""

    def answers(self, target: str, *replies: Reply) -> None:
        """Set what a path and query are answered with, in turn."""
        self.script[target] = list(replies)

    def next_reply(self, target: str) -> Reply:
        """Note a request and return its answer."""
        self.requests.append(target)
        replies = self.script.get(target) or [Reply({"detail": "Not found."}, status=404)]
        return replies.pop(0) if len(replies) > 1 else replies[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    script: ScriptedApi


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        reply = self.server.script.next_reply(self.path)
        content = reply.content()
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: reply.cut])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""


@contextmanager
def serve_script() -> Iterator[ScriptedApi]:
    """Serve a script on loopback, as long as the context lasts."""
    script = ScriptedApi()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.script = script
        script.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
