"""How an event becomes one line: for people, or as JSON; neither ever shows a secret."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.common.log_context import log_context
from services.common.masking import masked


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
