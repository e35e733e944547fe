"""One connection: its requests are read, noted, met with their faults, and answered."""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

from services.demo.wire.bodies import body_of, counted, drain
from services.demo.wire.faults import CutError, Fault, FaultScript
from services.demo.wire.journal import Entry, Journal
from services.demo.wire.messages import Answer, Request

_RESET = struct.pack("ii", 1, 0)


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
