"""One connection: its requests are read, noted, met with their faults, and answered."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

from services.demo.wire.faults import FaultScript
from services.demo.wire.journal import Entry, Journal
from services.demo.wire.messages import Answer, Request


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection; `handler_for` binds it to what answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes, which would else wait for each other

    find_answer: Callable[[Request], Answer]
    faults: FaultScript
    journal: Journal

    def do_GET(self) -> None:
        """Answer a request of any method."""
        request = self._read_request()
        entry = self.journal.open_entry(request)
        fault = self.faults.fault_for(request.target)
        if fault.hold:
            fault.hold.stand()
        answer = fault.answer or self.find_answer(request)
        self._send_head(answer, entry)
        if request.method != "HEAD":
            self._send_body(fault.spoil(answer.pieces()), answer.length, entry)

    do_HEAD = do_POST = do_GET  # noqa: N815 - the base class looks for these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Write nothing: the journal knows."""

    def _read_request(self) -> Request:
        """Read the rest of the request; what a client uploads is thrown away."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers)

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


def handler_for(
    find_answer: Callable[[Request], Answer], faults: FaultScript, journal: Journal
) -> type[Handler]:
    """Return a handler class that is bound to one server's parts."""
    parts = {"find_answer": staticmethod(find_answer), "faults": faults, "journal": journal}
    return type("BoundHandler", (Handler,), parts)
