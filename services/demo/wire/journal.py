"""What was asked of a server, and what it sent."""

import re
import threading
import time
from dataclasses import dataclass
from urllib.parse import unquote

from services.demo.wire.messages import Request


@dataclass
class Entry:
    """One request, and what has been sent for it so far.

    `moment` is on the monotonic clock, in seconds; `status` is 0 while nothing was sent; `bytes_sent` and
    `bytes_received` count the bodies.
    """

    moment: float
    method: str
    target: str
    range: str | None
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Journal:
    """The requests of a server in the order of their arrival; safe between threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def open_entry(self, request: Request) -> Entry:
        """Note that a request has come."""
        target = unquote(request.target)
        entry = Entry(time.monotonic(), request.method, target, request.headers.get("range"))
        with self._lock:
            self._entries.append(entry)
        return entry

    def find(self, pattern: str = "", method: str | None = None) -> list[Entry]:
        """Return the requests whose decoded path and query have a match of the pattern."""
        with self._lock:
            entries = list(self._entries)
        return [
            entry
            for entry in entries
            if re.search(pattern, entry.target) and (method is None or entry.method == method)
        ]

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._entries.clear()
