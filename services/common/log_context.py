"""What every line of a log says beside its message while a job is done."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_NOTHING: Mapping[str, object] = {}
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=_NOTHING)


@contextmanager
def log_about(facts: Mapping[str, object]) -> Iterator[None]:
    """Let each line that is logged in the block carry the facts that are known."""
    token = _about.set({**_about.get(), **{name: fact for name, fact in facts.items() if fact is not None}})
    try:
        yield
    finally:
        _about.reset(token)


def log_context() -> Mapping[str, object]:
    """Return the facts of the block that this thread is in."""
    return _about.get()
