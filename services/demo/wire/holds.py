"""Requests that wait until they are told to go on."""

import threading
from types import TracebackType
from typing import Self

_PATIENCE = 60.0


class Hold:
    """A place where requests wait until it is released; as a context manager it is released at the end."""

    def __init__(self) -> None:
        """Hold whoever comes."""
        self._reached = threading.Event()
        self._released = threading.Event()

    def __enter__(self) -> Self:
        """Return the hold."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release what is held."""
        self.release()

    def wait_until_reached(self, timeout: float = _PATIENCE) -> None:
        """Return once a request waits here; raises TimeoutError if none comes within `timeout` seconds."""
        if not self._reached.wait(timeout):
            raise TimeoutError(f"no request came to be held within {timeout} s")

    def release(self) -> None:
        """Let the requests go on, and those to come."""
        self._released.set()

    def stand(self) -> None:
        """Wait here, as a request."""
        self._reached.set()
        self._released.wait()
