"""How a worker's process ended, in the words that the ledger keeps."""

import signal
from dataclasses import dataclass

_MORE_MEMORY = "give the workers more memory"
_SEE_LOG = "see the worker's log"


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended, and what a person can do about it."""

    how: str
    remedy: str


UNKNOWN = End("its process was killed, perhaps for lack of memory", _MORE_MEMORY)
"""Nobody saw it: its lease ran out."""
_OUT_OF_MEMORY = End(
    "the kernel killed its process (SIGKILL), for the memory of its container was used up", _MORE_MEMORY
)
_KILLED = End("its process was killed, probably for memory (SIGKILL)", _MORE_MEMORY)


def end_of(status: int | None, *, out_of_memory: bool = False) -> End:
    """Say how a process ended: `status` is negative for a signal; `out_of_memory` as the kernel says so."""
    if status is None:
        return UNKNOWN
    if status == -signal.SIGKILL:
        return _OUT_OF_MEMORY if out_of_memory else _KILLED
    if status < 0:
        return End(f"its process was ended by {_name_of(-status)}", _SEE_LOG)
    return End(f"its process ended by itself (exit status {status})", _SEE_LOG)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
