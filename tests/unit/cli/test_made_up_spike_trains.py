"""The made-up spike trains: realistic, and the same to the last bit."""

import hashlib

import numpy as np
import pytest

from spikemill.services.cli.made_up import (
    REFRACTORY,
    SAMPLE_RATE,
    Samples,
    random_integers,
    random_stream,
    shared_drive,
    spike_train,
)

TEN_MINUTES = 600 * SAMPLE_RATE


def _trains(count: int) -> list[Samples]:
    stream = random_stream("units")
    drive = shared_drive(random_stream("drive"), TEN_MINUTES)
    return [spike_train(stream, drive, TEN_MINUTES) for _ in range(count)]


def test_the_stream_of_a_name_is_fixed() -> None:
    # The raw stream of PCG64 under this seed: if it ever changes, every made-up recording does.
    assert random_integers(random_stream("a name"), 4, 16).tolist() == [37728, 40788, 1510, 38294]


def test_spikes_are_fixed_to_the_last_bit() -> None:
    joined = np.concatenate(_trains(20)).astype("<i8").tobytes()
    assert (
        hashlib.sha256(joined).hexdigest()
        == "977300b7469f3fb1e896f60c49e5d57492981421b446307ee783ef1d437d597a"
    )


@pytest.mark.parametrize("bits", [1, 8, 63])
def test_integers_fill_their_range(bits: int) -> None:
    drawn = random_integers(random_stream("range"), 5000, bits)
    assert drawn.min() >= 0
    assert drawn.max() < 1 << bits
    assert drawn.max() > (1 << bits) * 0.99 - 1


def test_trains_ascend_within_the_recording_and_keep_the_refractory_time() -> None:
    for train in _trains(30):
        assert train[0] >= 0
        assert train[-1] < TEN_MINUTES
        # The drive shortens time to one half at most.
        assert np.diff(train).min() >= REFRACTORY // 2


def test_rates_are_log_normal_around_five_hertz() -> None:
    rates = np.array([len(train) / 600 for train in _trains(400)])
    assert rates.mean() == pytest.approx(5.0, rel=0.15)
    assert np.median(rates) == pytest.approx(2.8, rel=0.25)
    assert rates.max() > 20


def test_the_units_of_a_session_speed_up_together() -> None:
    seconds = np.arange(0, TEN_MINUTES + 1, SAMPLE_RATE)
    counts = [np.histogram(train, seconds)[0] for train in _trains(200)]
    first, second = sum(counts[:100]), sum(counts[100:])
    assert np.corrcoef(first, second)[0, 1] > 0.8
