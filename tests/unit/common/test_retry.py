"""How long is waited between tries, and when no more are made."""

import pytest

from spikemill.services.common.errors import NetworkError
from spikemill.services.common.retry import Backoff, is_transient


def failing(times: int) -> list[NetworkError]:
    """Return so many failures."""
    return [NetworkError(f"number {number}") for number in range(times)]


@pytest.mark.parametrize(
    ("failures", "asked", "pause"),
    [
        (1, None, 1.0),
        (2, None, 2.0),
        (3, None, 4.0),
        (5, None, 10.0),
        (6, None, None),
        (1, 0.0, 0.0),
        (1, 7.5, 7.5),
        (1, 10.5, None),
        (6, 1.0, None),
    ],
)
def test_pauses_grow_and_end(failures: int, asked: float | None, pause: float | None) -> None:
    assert Backoff(tries=6, first_pause=1.0, longest_pause=10.0).pause(failures, asked) == pause


def test_without_a_bound_on_tries_pauses_never_end() -> None:
    assert Backoff(longest_pause=5.0).pause(100_000) == 5.0


def test_jitter_makes_pauses_differ_within_their_bound() -> None:
    backoff = Backoff(first_pause=1.0, longest_pause=5.0, jitter=True)
    delays = [backoff.delay(2) for _ in range(100)]
    assert len(set(delays)) > 1
    assert all(0.0 <= delay <= 2.0 for delay in delays)


@pytest.mark.parametrize(("fails", "calls"), [(0, 1), (2, 3), (3, 3)])
def test_what_is_transient_is_tried_again_until_the_tries_end(fails: int, calls: int) -> None:
    left, made = failing(fails), 0

    def work() -> str:
        nonlocal made
        made += 1
        if left:
            raise left.pop(0)
        return "done"

    retrying = Backoff(tries=3, first_pause=0.001).retrying(lambda error: isinstance(error, NetworkError))
    if fails < 3:
        assert retrying(work) == "done"
    else:
        with pytest.raises(NetworkError, match="number 2"):
            retrying(work)
    assert made == calls


def test_what_is_not_transient_or_too_late_is_raised_at_once() -> None:
    def work(error: Exception) -> None:
        made.append(error)
        raise error

    made: list[Exception] = []
    backoff = Backoff(first_pause=0.001)
    with pytest.raises(ValueError, match="ours"):
        backoff.retrying(lambda error: isinstance(error, NetworkError))(work, ValueError("ours"))
    with pytest.raises(NetworkError):
        backoff.retrying(lambda _: True, within=0.0)(work, NetworkError("late"))
    assert len(made) == 2


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_these_answers_may_be_others_later(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize("status", [200, 302, 404, 416])
def test_these_answers_stay_as_they_are(status: int) -> None:
    assert not is_transient(status)
