"""How long a part is asked for again: a few times without progress, and as its server says."""

import pytest

from spikemill.services.binner.remote.pinned_object import ExpiredLinkError, Part, RetryBudget
from spikemill.services.common.errors import NetworkError

ENOUGH = 1 << 18
"""Bytes that are progress."""


def pauses(*tries: tuple[NetworkError, int]) -> list[float]:
    """Return the pauses after tries, each an error and the bytes that came before it.

    Raises the last error where the part is given up.
    """
    part = Part(0, memoryview(bytearray(10 * ENOUGH)))
    budget = RetryBudget(part)
    taken: list[float] = []
    for error, came in tries:
        part.append(bytes(came))
        pause = budget.pause(error)
        if pause is None:
            raise error
        taken.append(pause)
    return taken


def test_pauses_grow_until_patience_ends() -> None:
    away = NetworkError("away")
    assert pauses(*[(away, 0)] * 4) == [0.25, 0.5, 1.0, 2.0]
    with pytest.raises(NetworkError):
        pauses(*[(away, 0)] * 5)


def test_progress_gives_all_tries_again() -> None:
    broken = NetworkError("broken")
    tries = [(broken, 0), (broken, ENOUGH), (broken, 0), (broken, ENOUGH - 1), (broken, 0), (broken, 1)]
    assert pauses(*tries) == [0.25, 0.25, 0.5, 1.0, 2.0, 0.25]


def test_a_new_link_is_asked_for_at_once_and_another_one_after_a_pause() -> None:
    expired = ExpiredLinkError("403")
    assert pauses((expired, 0), (expired, 0), (expired, ENOUGH)) == [0.0, 0.5, 0.0]


def test_a_server_says_how_long_unless_it_is_too_long_for_the_spot() -> None:
    assert pauses((NetworkError("503", retry_after=7), 0), (NetworkError("503", retry_after=0), 0)) == [
        7,
        0.5,
    ]
    with pytest.raises(NetworkError):
        pauses((NetworkError("503", retry_after=31), 0))
