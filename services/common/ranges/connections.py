"""The connections that parts come over: all can be broken, also those on which a thread waits."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_OPENED = ("connect_tcp.complete", "start_tls.complete")


class Connections:
    """Knows the connections that were opened for requests with its `extensions`.

    A thread that waits for a silent server notices nothing else than the end of its connection.
    """

    def __init__(self) -> None:
        """Know of none yet."""
        self.extensions: Mapping[str, Any] = {"trace": self._note}
        self._lock = threading.Lock()
        self._streams: list[Any] = []
        self._are_broken = False

    def break_all(self) -> None:
        """Break every connection, and each that is opened from now on."""
        with self._lock:
            self._are_broken = True
            for stream in self._streams:
                _break(stream)

    def _note(self, event: str, details: Mapping[str, Any]) -> None:
        """Remember a connection that was opened: httpx tells of every step of a request."""
        if not event.endswith(_OPENED):
            return
        stream = details["return_value"]
        with self._lock:
            self._streams.append(stream)
            if self._are_broken:
                _break(stream)


def _break(stream: Any) -> None:
    """Break a connection, unless it is closed already."""
    with suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
