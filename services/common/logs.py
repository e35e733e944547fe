"""One line for each event on stderr: for people or as JSON, with its job, and without secrets."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from spikemill.services.common.errors import SpikemillError, hide_environment, masked, readable
from spikemill.services.common.library_variables import notice
from spikemill.services.common.settings import LogFormat, settings

_log = logging.getLogger(__name__)
_NOTHING: Mapping[str, object] = {}
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=_NOTHING)


class JsonLines(logging.Formatter):
    """A line for programs: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        line = {
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
            **_facts(record),
        }
        if trace := _traceback(self, record):
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """A line for people; the lines of a traceback are joined by bars."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        message = _one_line(masked(record.getMessage()))
        parts = [_timestamp(record), record.levelname, f"{record.name}:", message]
        if facts := _facts(record):
            parts.append(f"[{' '.join(f'{name}={fact}' for name, fact in facts.items())}]")
        if trace := _traceback(self, record):
            parts.append(f"| {_one_line(trace)}")
        return " ".join(parts)


def configure_logging() -> None:
    """Log all events of our own, warnings of the libraries, and what ends the process."""
    sys.excepthook = _log_end
    hide_environment()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings().log_format is LogFormat.JSON else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("spikemill").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    if line := notice():
        _log.warning("%s", line)


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log in one line why the process ends; the text of our own errors is enough without a traceback."""
    is_expected = isinstance(error, SpikemillError | KeyboardInterrupt)
    _log.critical("%s", readable(error), exc_info=None if is_expected else (kind, error, trace))


@contextmanager
def log_about(facts: Mapping[str, object]) -> Iterator[None]:
    """Add the facts that are known (not None) to each line that is logged in the block."""
    token = _about.set({**_about.get(), **{name: fact for name, fact in facts.items() if fact is not None}})
    try:
        yield
    finally:
        _about.reset(token)


def log_context() -> Mapping[str, object]:
    """Return the facts of the block that this thread is in."""
    return _about.get()


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return what is known of the job: from the block it was logged in, or from Celery's own record."""
    facts = log_context()
    data = getattr(record, "data", None)
    if not facts and isinstance(data, Mapping) and "args" in data:
        # In place of its arguments a message carries the name of its job.
        facts = {"task": data.get("name"), "about": data["args"]}
    return {name: masked(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return masked(formatter.formatException(record.exc_info))


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())
