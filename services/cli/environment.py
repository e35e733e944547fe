"""Settings that a command decides for itself and for the workers that it starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from services.common.settings import settings

_PREFIX = "SPIKEMILL_"


def decide(**values: str) -> None:
    """Set settings by their names (`database_url=...`), for this process and its children."""
    for name, value in values.items():
        os.environ[f"{_PREFIX}{name.upper()}"] = value
    settings.cache_clear()


@contextmanager
def decided_for_now() -> Iterator[None]:
    """Forget at the end of the block what was decided in it."""
    before = _current()
    try:
        yield
    finally:
        for name in _current():
            del os.environ[name]
        os.environ.update(before)
        settings.cache_clear()


def _current() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
