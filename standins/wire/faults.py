"""Faults on request: what a server does wrong, to which requests, and how often."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from standins.wire.messages import Answer

Body = Iterator[bytes]
_PATIENCE = 60.0


class CutError(ConnectionError):
    """The connection is to be reset here."""


def _as_it_is(body: Body) -> Body:
    return body


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


@dataclass
class Fault:
    """What goes wrong with the next `times` requests (None: with all) whose target matches the pattern.

    `intake` changes the request's body on its way in, `hold` stops the request before anything is sent,
    `answer` is sent in place of the right one, a `lost` answer is not sent at all, and `spoil` changes the
    body on its way out. Where the fault is `applied`, the request first does what it asks for.
    """

    pattern: re.Pattern[str]
    times: int | None
    applied: bool = False
    intake: Callable[[Body], Body] = _as_it_is
    hold: Hold | None = None
    answer: Answer | None = None
    lost: bool = False
    spoil: Callable[[Body], Body] = _as_it_is

    def applies(self, target: str) -> bool:
        """Tell whether the fault is still due, and meant for this target."""
        return self.times != 0 and self.pattern.search(unquote(target)) is not None


class FaultScript:
    """The faults of a server, in the order in which they were asked for; safe between threads.

    Each pattern is a regular expression that is searched in the decoded path and query. A signed link to the
    storage carries the file's name in its query, so a file can be named there too. A request meets one fault.
    """

    def __init__(self) -> None:
        """Start without any fault."""
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._holds: list[Hold] = []

    def fail(
        self,
        pattern: str,
        *,
        status: int = 503,
        times: int | None = 1,
        retry_after: float | str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        applied: bool = False,
    ) -> None:
        """Answer with this status; `retry_after` is in seconds, or an HTTP date."""
        sent = dict(headers or {})
        if retry_after is not None:
            sent["Retry-After"] = str(retry_after)
        self._add(Fault(re.compile(pattern), times, applied, answer=Answer(status, body, sent)))

    def cut(self, pattern: str, *, after: int, times: int | None = 1, reset: bool = False) -> None:
        """Close the connection, or reset it, after so many bytes of the answer's body."""
        self._add(Fault(re.compile(pattern), times, spoil=lambda body: _cut_body(body, after, reset=reset)))

    def cut_upload(self, pattern: str, *, after: int, times: int | None = 1) -> None:
        """Reset the connection after so many bytes of the request's body."""
        self._add(Fault(re.compile(pattern), times, intake=lambda body: _cut_body(body, after, reset=True)))

    def lose_answer(self, pattern: str, *, times: int | None = 1, applied: bool = True) -> None:
        """Reset the connection in place of an answer, by default after the request did what it asks for."""
        self._add(Fault(re.compile(pattern), times, applied, lost=True))

    def corrupt(self, pattern: str, *, times: int | None = 1) -> None:
        """Send a body of the right length whose first byte is wrong."""
        self._add(Fault(re.compile(pattern), times, spoil=_with_wrong_byte))

    def hold(
        self, pattern: str, *, after: int | None = None, times: int | None = 1, applied: bool = False
    ) -> Hold:
        """Hold requests before they are answered, or after so many bytes of the body, until released."""
        hold = Hold()
        fault = Fault(re.compile(pattern), times, applied)
        if after is None:
            fault.hold = hold
        else:
            fault.spoil = lambda body: _with_pause(body, after, hold)
        with self._lock:
            self._holds.append(hold)
        self._add(fault)
        return hold

    def heal(self) -> None:
        """Forget all faults and release what is held."""
        with self._lock:
            self._faults.clear()
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.release()

    def fault_for(self, target: str) -> Fault:
        """Use up one turn of the first fault that applies to a request; without any, return none at all."""
        with self._lock:
            for fault in self._faults:
                if fault.applies(target):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return Fault(re.compile(""), 0)

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)


def _cut_body(body: Body, count: int, *, reset: bool) -> Body:
    """Yield the first bytes of a body; what follows them is an end, or that of the connection."""
    left = count
    for piece in body:
        yield piece[:left]
        left -= len(piece)
        if left < 0:
            break
    if left <= 0 and reset:
        raise CutError(f"the connection is cut after {count} bytes")


def _with_wrong_byte(body: Body) -> Body:
    for number, piece in enumerate(body):
        yield bytes([piece[0] ^ 0xFF]) + piece[1:] if number == 0 and piece else piece


def _with_pause(body: Body, count: int, hold: Hold) -> Body:
    left = count
    for piece in body:
        if 0 <= left < len(piece):
            yield piece[:left]
            hold.stand()
            yield piece[left:]
        else:
            yield piece
        left -= len(piece)
