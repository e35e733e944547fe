"""Deaths are told until somebody has taken them down."""

import threading

import pytest

from spikemill.services.cli.local import supervisor
from spikemill.services.cli.local.supervisor import Death, crash_reports


def test_a_death_is_told_again_until_the_hook_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_PAUSE", 0.01)
    told: list[Death] = []
    done = threading.Event()

    def hook(death: Death) -> None:
        told.append(death)
        if len(told) < 3:
            raise ConnectionError("the database is away")
        done.set()

    death = Death("b1.binner.1", -9)
    with crash_reports(hook) as report:
        report(death)
        done.wait()
    assert told == [death] * 3


def test_the_end_does_not_wait_for_a_database_that_is_away() -> None:
    tried = threading.Event()

    def hook(_death: Death) -> None:
        tried.set()
        raise ConnectionError("the database is away")

    with crash_reports(hook) as report:
        report(Death("b1.binner.1", -9))
        tried.wait()
    assert "crash reports" not in [thread.name for thread in threading.enumerate()]
