"""Each process of a running build is killed once: the build goes on, and its pile is the same."""

from collections.abc import Callable

import psycopg
import pytest

from tests.acceptance.builds import Place, pile_of
from tests.acceptance.processes import kill
from tests.acceptance.questions import FrozenJob
from tests.acceptance.running_builds import RunningBuild

pytestmark = pytest.mark.chaos

_BINNER = "binner@"
_OTHERS = ("spikemill.services.sweeper", "downloader@", "/postgres -D ", "broker.sock")


def test_each_process_may_die_once(varied_place: Place, undisturbed: dict[str, str]) -> None:
    archive = varied_place.archive
    with (
        archive.hold(r"^/storage/.*sub-m9_ses-c\.nwb") as for_the_second,
        archive.hold(r"^/storage/.*sub-f3_ses-e\.nwb") as last,
        varied_place.building("--workers", "2") as build,
    ):
        first = build.ledger.freeze_one("bin")
        first.kill()
        build.until(_vanished(build, first))
        for_the_second.release()
        second = build.ledger.freeze_one("bin")
        _kill_child(build, _BINNER)
        build.until(_vanished(build, second))
        last.wait_until_reached()
        for command in _OTHERS:
            _kill_child(build, command)
        last.release()
        assert build.end() == 0
    assert pile_of(varied_place.home) == undisturbed
    with varied_place.ledger() as ledger:
        bins = {job["id"]: job for job in ledger.jobs("bin")}
        outcomes = [job["outcomes"] for job in ledger.jobs()]
    for frozen in {first.job, second.job}:
        assert bins[frozen]["crashes"] == bins[frozen]["outcomes"].count("vanished")
        assert bins[frozen]["outcomes"][-1] == "done"
    assert sum(job["crashes"] for job in bins.values()) >= 2
    assert all(ended.count("done") == 1 for ended in outcomes)


def _vanished(build: RunningBuild, frozen: FrozenJob) -> Callable[[], bool]:
    """Return the condition that the ledger knows of a killed attempt."""
    query = "SELECT outcome::text FROM attempts WHERE job_id = %(job)s AND attempt = %(attempt)s"
    return lambda: bool(build.ledger.one(query, job=frozen.job, attempt=frozen.attempt) == "vanished")


def _kill_child(build: RunningBuild, command: str) -> None:
    """Kill a process of the engine, and go on when another stands in its place and the ledger answers."""
    killed = build.child(command)
    kill(killed)
    build.until(lambda: build.child(command) != killed and _answers(build))


def _answers(build: RunningBuild) -> bool:
    try:
        return bool(build.ledger.one("SELECT true"))
    except psycopg.OperationalError:
        return False
