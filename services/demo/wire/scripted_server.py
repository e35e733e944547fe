"""A server that fails where it is told to, and knows what was asked of it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.common.errors import CallError
from services.demo.wire.faults import FaultScript
from services.demo.wire.handler import handler_for
from services.demo.wire.http_server import HttpServer
from services.demo.wire.journal import Entry, Journal
from services.demo.wire.messages import Answer, Request

LOOPBACK = "127.0.0.1"


class ScriptedServer(FaultScript):
    """A server: its address, the faults that it is told to have, and what was asked of it."""

    def __init__(self, find_answer: Callable[[Request], Answer], host: str, port: int) -> None:
        """Bind to an address, of which port 0 is any free port; raises `CallError` where it cannot be had."""
        super().__init__()
        self._journal = Journal()
        try:
            self._http = HttpServer((host, port), handler_for(find_answer, self, self._journal))
        except OSError as error:
            raise CallError(
                f"No server can listen on {host}:{port}: {error}. Choose another port."
            ) from error

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    def requests(self, pattern: str = "", method: str | None = None) -> list[Entry]:
        """Return the requests whose decoded path and query have a match of the pattern, oldest first."""
        return self._journal.find(pattern, method)

    def forget_requests(self) -> None:
        """Forget all requests up to now."""
        self._journal.clear()

    def serve_forever(self) -> None:
        """Answer requests until `close` is called from another thread."""
        self._http.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stop listening, end all connections, and wait for their threads."""
        self._http.shutdown()
        self.heal()
        self._http.end_connections()
        self._http.server_close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve on a thread of this process, as long as the context lasts."""
        thread = threading.Thread(target=self.serve_forever, name=type(self).__name__)
        thread.start()
        try:
            yield
        finally:
            self.close()
            thread.join()


def stop_event() -> threading.Event:
    """Return what happens when this process is told to end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
