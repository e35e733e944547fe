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
            "timestamp": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **_facts(record),
        }
        if trace := _traceback(self, record):
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """A line for people; the lines of a traceback follow one another behind bars."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        parts = [_moment(record), record.levelname, f"{record.name}:", _one_line(_message(record))]
        if facts := _facts(record):
            parts.append(f"[{' '.join(f'{name}={fact}' for name, fact in facts.items())}]")
        if trace := _traceback(self, record):
            parts.append(f"| {_one_line(trace)}")
        return " ".join(parts)


_LINES = {LogFormat.TEXT: TextLines, LogFormat.JSON: JsonLines}


def configure_logging() -> None:
    """Write all events of our own, of the libraries only trouble, and what ends the process."""
    sys.excepthook = _tell_of_end
    hide_environment()
    handler = logging.StreamHandler()
    handler.setFormatter(_LINES[settings().log_format]())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("spikemill").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    if line := notice():
        _log.warning("%s", line)


def _tell_of_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line why the process ends; where we said no ourselves, the text is all there is to know."""
    told = isinstance(error, SpikemillError | KeyboardInterrupt)
    _log.critical("%s", readable(error), exc_info=None if told else (kind, error, trace))


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    return masked(record.getMessage())


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return what is known of the job: from the block it was logged in, or from Celery's own words."""
    facts = log_context() or _of_celery(record)
    return {name: masked(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}


def _of_celery(record: logging.LogRecord) -> Mapping[str, object]:
    """Return the job that a line of Celery is about: in place of its arguments a message carries its name."""
    data = getattr(record, "data", None)
    if not isinstance(data, Mapping) or "args" not in data:
        return {}
    return {"task": data.get("name"), "about": data["args"]}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return masked(formatter.formatException(record.exc_info))


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


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
