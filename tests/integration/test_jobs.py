"""One worker, one job."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import (
    AssetError,
    DamagedDownloadError,
    NetworkError,
    RecordingError,
    SupersededError,
)
from spikemill.services.common.ledger import jobs
from spikemill.services.common.ledger.jobs import Result
from spikemill.services.common.models import Attempt, JobKind, JobState, Outcome
from tests.integration import ledgers


@pytest.fixture
def plan_job() -> int:
    ledgers.ask("a")
    return ledgers.jobs(JobKind.PLAN)[0].id


def attempts(job_id: int) -> list[Outcome | None]:
    with transaction() as ledger:
        return list(
            ledger.scalars(select(Attempt.outcome).where(Attempt.job_id == job_id).order_by(Attempt.attempt))
        )


def test_only_one_of_two_claims_wins(plan_job: int) -> None:
    assert ledgers.claim(plan_job).attempt == 1
    with transaction() as ledger:
        assert jobs.claim(ledger, plan_job) is None


def test_two_open_transactions_cannot_both_claim(plan_job: int) -> None:
    with transaction() as first:
        assert jobs.claim(first, plan_job) is not None
        first.commit()
        with transaction() as second:
            assert jobs.claim(second, plan_job) is None


def test_a_job_waits_for_its_time(plan_job: int) -> None:
    ledgers.set_job(plan_job, not_before=func.clock_timestamp() + timedelta(hours=1))
    with transaction() as ledger:
        assert jobs.claim(ledger, plan_job) is None


def test_a_worker_of_another_format_does_not_claim(plan_job: int) -> None:
    ledgers.set_job(plan_job, format_id="another")
    with transaction() as ledger:
        assert jobs.claim(ledger, plan_job) is None


def test_a_job_that_nobody_wants_is_not_claimed(plan_job: int) -> None:
    ledgers.ask("b")
    with transaction() as ledger:
        assert jobs.claim(ledger, plan_job) is None


def test_finish_records_its_facts_in_the_same_transaction(plan_job: int) -> None:
    claimed = ledgers.claim(plan_job)

    def break_down(_: object) -> None:
        raise RuntimeError("the facts could not be written")

    with pytest.raises(RuntimeError):
        ledgers.finish(claimed, Result({"a": 1}, break_down))
    assert ledgers.job(plan_job).state is JobState.RUNNING


def test_finish_may_be_repeated_after_a_lost_answer(plan_job: int) -> None:
    claimed = ledgers.claim(plan_job)
    ledgers.finish(claimed, Result({"a": 1}, lambda _: None))
    ledgers.finish(claimed, Result({"a": 2}, lambda _: None))
    done = ledgers.job(plan_job)
    assert done.state is JobState.DONE
    assert done.output == {"a": 1}


@pytest.mark.parametrize("ending", ["finish", "fail", "release", "heartbeat"])
def test_a_superseded_attempt_changes_nothing(plan_job: int, ending: str) -> None:
    first = ledgers.claim(plan_job)
    with transaction() as ledger:
        jobs.release(ledger, first)
    second = ledgers.claim(plan_job)
    with transaction() as ledger:
        match ending:
            case "heartbeat":
                assert not jobs.heartbeat(ledger, first)
            case "finish":
                with pytest.raises(SupersededError):
                    jobs.finish(ledger, first, Result({}, lambda _: None))
            case "fail":
                with pytest.raises(SupersededError):
                    jobs.fail(ledger, first, RecordingError("late"))
            case "release":
                with pytest.raises(SupersededError):
                    jobs.release(ledger, first)
    held = ledgers.job(plan_job)
    assert (held.state, held.attempt, held.lease_owner) == (JobState.RUNNING, 2, second.owner)


def test_a_permanent_error_is_the_end(plan_job: int) -> None:
    assert ledgers.fail(ledgers.claim(plan_job), AssetError("It is gone.")) is JobState.DEAD
    dead = ledgers.job(plan_job)
    assert (dead.error_class, dead.error, dead.failures) == ("AssetError", "It is gone.", 1)
    assert attempts(plan_job) == [Outcome.FAILED]


def test_a_network_failure_waits_as_long_as_the_server_says(plan_job: int) -> None:
    ledgers.fail(ledgers.claim(plan_job), NetworkError("Busy.", retry_after=1000))
    waiting = ledgers.job(plan_job)
    assert waiting.state is JobState.READY
    with transaction() as ledger:
        wait = ledger.scalar(select(waiting.not_before - func.clock_timestamp()))
    assert wait is not None
    assert timedelta(seconds=900) < wait <= timedelta(seconds=1000)


def test_an_unknown_error_is_tried_once_more(plan_job: int) -> None:
    assert ledgers.fail(ledgers.claim(plan_job), ValueError("odd")) is JobState.READY
    ledgers.set_job(plan_job, not_before=func.clock_timestamp())
    assert ledgers.fail(ledgers.claim(plan_job), ValueError("odd")) is JobState.DEAD
    assert ledgers.job(plan_job).error == "ValueError: odd"


def test_an_archive_that_is_away_too_long_is_given_up(plan_job: int) -> None:
    ledgers.fail(ledgers.claim(plan_job), NetworkError("Away."))
    ledgers.set_job(
        plan_job,
        first_failed_at=func.clock_timestamp() - timedelta(days=3),
        not_before=func.clock_timestamp(),
    )
    assert ledgers.fail(ledgers.claim(plan_job), NetworkError("Away.")) is JobState.DEAD


def test_each_kind_of_error_has_its_own_tries(plan_job: int) -> None:
    for _ in range(4):
        ledgers.fail(ledgers.claim(plan_job), NetworkError("Away."))
        ledgers.set_job(plan_job, not_before=func.clock_timestamp())
    assert ledgers.fail(ledgers.claim(plan_job), DamagedDownloadError("Other bytes.")) is JobState.READY
    assert ledgers.job(plan_job).failures == 1


def test_success_forgets_the_error_but_history_keeps_it(plan_job: int) -> None:
    ledgers.fail(ledgers.claim(plan_job), NetworkError("Away."))
    ledgers.set_job(plan_job, not_before=func.clock_timestamp())
    ledgers.finish(ledgers.claim(plan_job))
    done = ledgers.job(plan_job)
    assert (done.error, done.failures, done.attempt) == (None, 1, 2)
    assert attempts(plan_job) == [Outcome.FAILED, Outcome.DONE]


def test_no_secret_reaches_the_ledger(plan_job: int) -> None:
    text = "GET https://s3/x?X-Amz-Signature=secret failed for redis://:password@host"
    ledgers.fail(ledgers.claim(plan_job), NetworkError(text))
    error = ledgers.job(plan_job).error
    assert error is not None
    assert "secret" not in error
    assert "password" not in error
