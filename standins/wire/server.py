"""A server that fails where it is told to, and knows what was asked of it."""

import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from spikemill.services.common.errors import CallError
from standins.wire.faults import CutError, Fault, FaultScript
from standins.wire.messages import Answer, Entry, Journal, Request, body_of, counted, drain

LOOPBACK = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)


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


class HttpServer(ThreadingHTTPServer):
    """Listens, and can end every connection that is open."""

    daemon_threads = False  # closing waits for the threads, and leaves no socket behind
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        """Bind to the address; raises OSError where it is taken."""
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and remember it."""
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection, and close it."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """End every connection, also those that wait for their next request."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a defect of the server, but not a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection; `handler_for` binds it to what answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes, which would else wait for each other

    find_answer: Callable[[Request], Answer]
    faults: FaultScript
    journal: Journal

    def do_GET(self) -> None:
        """Answer a request of any method."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        entry = self.journal.open_entry(request)
        fault = self.faults.fault_for(request.target)
        body = fault.intake(counted(body_of(headers, self.rfile), entry))
        try:
            self._send(self._find_answer(replace(request, body=body), fault), fault, entry)
        except CutError:
            self._reset()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the base class looks for these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Write nothing: the journal knows."""

    def _find_answer(self, request: Request, fault: Fault) -> Answer:
        """Let the request do what it asks for, as far as its fault allows, and return what is answered."""
        if fault.hold and not fault.applied:
            fault.hold.stand()
        is_applied = fault.applied or not (fault.answer or fault.lost)
        right = self.find_answer(request) if is_applied else None
        drain(request.body)
        if fault.hold and fault.applied:
            fault.hold.stand()
        answer = fault.answer or right
        if answer is None or fault.lost:
            raise CutError("the answer is lost")
        return answer

    def _send(self, answer: Answer, fault: Fault, entry: Entry) -> None:
        self._send_head(answer, entry)
        if self.command != "HEAD":
            self._send_body(fault.spoil(answer.pieces()), answer.length, entry)

    def _send_head(self, answer: Answer, entry: Entry) -> None:
        entry.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(answer.length))
        self.end_headers()

    def _send_body(self, body: Iterator[bytes], length: int, entry: Entry) -> None:
        """Send the body; a body that ends too early ends the connection."""
        for piece in body:
            # Counted first, so that whoever has received it finds it counted.
            entry.bytes_sent += len(piece)
            self.wfile.write(piece)
        self.close_connection = self.close_connection or entry.bytes_sent < length

    def _reset(self) -> None:
        """End the connection as a machine does that was cut off: at once, and without a farewell."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        os.close(self.connection.detach())


def handler_for(
    find_answer: Callable[[Request], Answer], faults: FaultScript, journal: Journal
) -> type[Handler]:
    """Return a handler class that is bound to one server's parts."""
    parts = {"find_answer": staticmethod(find_answer), "faults": faults, "journal": journal}
    return type("BoundHandler", (Handler,), parts)
