"""A server that speaks S3, as a process: moto's, with a journal of what travels and faults on demand.

It listens at the address that is its argument, prints its port, and ends with its standard input: whoever
started it may be killed. moto knows nothing of durability, and writes under a condition are not atomic
there, so writes come one by one; signatures, ranges, conditions and uploads in parts are as with AWS.
"""

import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from threading import Lock, Thread
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]

_CONTROL = "/-/"
_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


class Journalled:
    """Another application, whose requests are written down, and fail where that was asked for."""

    def __init__(self, application: Application) -> None:
        """Begin with an empty journal."""
        self._application = application
        self._one_by_one = Lock()
        self._journal: list[dict[str, Any]] = []
        self._faults: list[dict[str, Any]] = []

    def __call__(self, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request of a store, or one of the tests' own."""
        path = environment["PATH_INFO"]
        if path.startswith(_CONTROL):
            return self._control(path.removeprefix(_CONTROL), environment, start_response)
        entry = {
            "method": environment["REQUEST_METHOD"],
            "path": path,
            "query": environment["QUERY_STRING"],
            "sent": int(environment.get("CONTENT_LENGTH") or 0),
            "received": 0,
        }
        self._journal.append(entry)
        fault = self._due_fault(entry)
        if fault is not None and "status" in fault:
            start_response(f"{fault['status']} Fault", [("Content-Type", "application/xml")])
            return [_ERROR.format(code=fault["code"]).encode()]
        if fault is not None and "lose" in fault:
            environment |= _body(environment["wsgi.input"].read(entry["sent"])[: fault["lose"]])
        with self._one_by_one:
            answer = b"".join(self._application(environment, start_response))
        if fault is not None and "cut" in fault:
            answer = answer[: fault["cut"]]
        return _counted(answer, entry)

    def _due_fault(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        for fault in self._faults:
            if fault["times"] and re.search(fault["where"], f"{entry['method']} {entry['path']}"):
                fault["times"] -= 1
                return fault
        return None

    def _control(self, what: str, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        if what == "faults":
            self._faults = json.loads(body)
        answer = json.dumps(self._journal).encode()
        if what == "forget":
            self._journal = []
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]


def _body(content: bytes) -> Environment:
    return {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}


def _counted(answer: bytes, entry: dict[str, Any]) -> Iterator[bytes]:
    entry["received"] = len(answer)
    yield answer


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Write nothing: the journal holds it."""


if __name__ == "__main__":
    server = make_server(
        sys.argv[1],
        0,
        Journalled(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=_Silent,
    )
    print(server.port, flush=True)  # noqa: T201 - whoever starts it reads it
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
