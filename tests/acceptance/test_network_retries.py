"""An archive that is away for a moment: Celery tries again soon, and for longer waits the ledger does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import states

from spikemill.services.common.models import JobKind
from spikemill.services.common.worker.kinds import task_name
from standins.archive.content import MadeUpArchive
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.celery_events import heard
from tests.acceptance.running_builds import RunningBuild
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short

pytestmark = pytest.mark.chaos

_DOWNLOAD = r"/assets/[^/]+/download/"
_LISTING = r"/versions/[^/]+/assets/"
_ATTEMPTS = "SELECT * FROM attempts WHERE job_id = %(job)s ORDER BY attempt"


def one_session(new_place: NewPlace, recordings: Path) -> Place:
    """Make a place whose archive holds one session."""
    archive = MadeUpArchive([dandiset("990401", [asset(short("o", "one"), recordings)])])
    return new_place(archive, dandi_source("single", "990401"))


def test_two_failures_are_two_retries_and_none_before_its_time(new_place: NewPlace, recordings: Path) -> None:
    place = one_session(new_place, recordings)
    place.archive.fail(_DOWNLOAD, status=503, times=2)
    with (
        place.archive.hold(_LISTING) as listing,
        place.archive.hold("^/storage/") as third_attempt,
        place.building() as build,
    ):
        with heard(build.broker_url()) as hearing:
            listing.release()
            third_attempt.wait_until_reached()
            [fetch] = build.ledger.jobs("fetch")
            [task] = build.until(lambda: hearing.tasks(task_name(JobKind.FETCH), fetch["id"]))
            retries = build.until(lambda: _told(hearing.of(task), "task-retried", 2))
            due = build.until(lambda: _told(hearing.of(task), "task-received", 3))[1:]
        third_attempt.release()
        assert build.end() == 0
    # The sweeper sent no message of its own in the meantime: one task, retried twice.
    assert hearing.tasks(task_name(JobKind.FETCH), fetch["id"]) == {task}
    assert [event["state"] for event in retries] == [states.RETRY] * 2
    # What it is about is told of a retry as well.
    assert {event["args"] for event in due} == {f"single · {fetch['about']} · job {fetch['id']}"}
    with place.ledger() as ledger:
        [fetch] = ledger.jobs("fetch")
        attempts = ledger.rows(_ATTEMPTS, job=fetch["id"])
    # What is held for long on a busy machine may fail for that, too.
    assert ["503" in (attempt["error"] or "") for attempt in attempts][:3] == [True, True, False]
    assert fetch["outcomes"][-1] == "done"
    for failed, again, message in zip(attempts[:2], attempts[1:3], due, strict=True):
        assert "503" in failed["error"]
        assert again["started_at"] >= max(_due(message), failed["ended_at"])


def _due(message: dict[str, Any]) -> datetime:
    """Return before when a message may not be acted on; jitter may have taken the whole wait away."""
    return datetime.fromisoformat(message["eta"] or "1970-01-01T00:00:00+00:00")


def _told(events: Sequence[dict[str, Any]], kind: str, count: int) -> list[dict[str, Any]] | None:
    """Return the events of a kind, once there are so many."""
    found = [event for event in events if event["type"] == kind]
    return found if len(found) == count else None


def test_the_ledger_carries_a_wait_that_the_archive_asks_for(new_place: NewPlace, recordings: Path) -> None:
    place = one_session(new_place, recordings)
    place.archive.fail(_DOWNLOAD, status=503, retry_after=7200)
    with place.building() as build:
        [fetch] = build.until(lambda: _failed(build))
        [attempt] = build.ledger.rows(_ATTEMPTS, job=fetch["id"])
        wait = fetch["not_before"] - attempt["ended_at"]
        assert timedelta(hours=2) <= wait < timedelta(hours=2, minutes=1)
        slot = build.ledger.one("SELECT max(next_at) FROM request_slots")
        assert slot >= attempt["started_at"] + timedelta(hours=2)
        assert fetch["celery_retry_until"] is None

        build.ledger.change("UPDATE request_slots SET next_at = clock_timestamp()")
        build.ledger.change("UPDATE jobs SET not_before = clock_timestamp() WHERE kind = 'fetch'")
        assert build.end() == 0
    with place.ledger() as ledger:
        assert list(ledger.outcomes("fetch").values()) == [["failed", "done"]]


def _failed(build: RunningBuild) -> list[dict[str, Any]]:
    return [job for job in build.ledger.jobs("fetch", "ready") if job["outcomes"] == ["failed"]]
