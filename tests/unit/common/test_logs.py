"""One line for each event, for people or as JSON."""

import json
import logging
import sys
from datetime import datetime

import pytest

from spikemill.services.common.logs import JsonLines, TextLines, log_about

_JOB = {"build": 1, "source": "vcn", "session": "vcn/sub-1/a", "job": 7, "kind": "bin", "attempt": 2}


def event(message: str, *arguments: object, **more: object) -> logging.LogRecord:
    """Make up an event."""
    record = logging.LogRecord(
        "spikemill.services.x", logging.WARNING, "x.py", 1, message, arguments, exc_info=None
    )
    record.created = 1_700_000_000.25
    vars(record).update(more)
    return record


def failed(error: Exception) -> logging.LogRecord:
    """Make up the event of an error."""
    try:
        raise error
    except type(error):
        return event("it failed", exc_info=sys.exc_info())


def json_of(record: logging.LogRecord) -> dict[str, object]:
    line = JsonLines().format(record)
    assert "\n" not in line
    told: dict[str, object] = json.loads(line)
    return told


def test_a_line_for_people() -> None:
    assert TextLines().format(event("%d of %d\n done", 1, 2)) == (
        "2023-11-14T22:13:20.250+00:00 WARNING spikemill.services.x: 1 of 2 | done"
    )


def test_a_line_as_json() -> None:
    told = json_of(event("%d of %d\n done", 1, 2))
    assert told == {
        "timestamp": "2023-11-14T22:13:20.250+00:00",
        "level": "WARNING",
        "logger": "spikemill.services.x",
        "message": "1 of 2\n done",
    }
    assert datetime.fromisoformat(str(told["timestamp"])).timestamp() == 1_700_000_000.25


def test_both_say_which_job_it_is_about_while_one_is_done() -> None:
    with log_about({**_JOB, "file": None}):
        told = json_of(event("done"))
        line = TextLines().format(event("done"))
        with log_about({"attempt": 3}):
            assert json_of(event("done"))["attempt"] == 3
    assert {name: told.get(name) for name in _JOB} == _JOB
    assert "file" not in told
    assert line.endswith("done [build=1 source=vcn session=vcn/sub-1/a job=7 kind=bin attempt=2]")
    assert "job" not in json_of(event("later"))


def test_a_traceback_stands_in_the_same_line() -> None:
    record = failed(ValueError("odd\nindeed"))
    line = TextLines().format(record)
    assert "\n" not in line
    assert "it failed | Traceback (most recent call last): | File" in line
    assert str(json_of(record)["traceback"]).splitlines()[-2:] == ["ValueError: odd", "indeed"]


@pytest.mark.parametrize("lines", [TextLines(), JsonLines()])
def test_neither_shows_a_secret(lines: logging.Formatter) -> None:
    address = "postgresql://me:s3cr3t-word@host/name"
    with log_about({"file": address}):
        record = failed(ValueError(address))
        record.args = ()
        record.msg = f"cannot reach {address}"
        line = lines.format(record)
    assert line.count("postgresql://host/name") == 3
    assert "s3cr3t-word" not in line


def test_celerys_own_lines_say_what_a_message_is_about() -> None:
    told = json_of(event("received", data={"name": "spikemill.bin", "args": "vcn · sub-1/a · job 7"}))
    assert (told["task"], told["about"]) == ("spikemill.bin", "vcn · sub-1/a · job 7")
