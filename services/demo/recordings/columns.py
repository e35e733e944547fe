"""The columns of a made-up recording's units table, and its continuous signal."""

import numpy as np
from numpy.typing import NDArray

from services.demo.recordings.nwb_contents import RaggedColumn
from services.demo.recordings.recording import Recording, spike_samples
from services.demo.recordings.spike_trains import SAMPLE_RATE, random_integers, random_stream

SIGNAL_RATE = 1250
"""Samples per second of the continuous signal."""


def units_columns(recording: Recording) -> list[RaggedColumn]:
    """Return the spike times, and what else the recording keeps for each unit."""
    trains = spike_samples(recording)
    ends = _index([len(train) for train in trains], recording.index_type)
    times = np.concatenate(trains) / SAMPLE_RATE
    columns = [RaggedColumn("spike_times", "in seconds", times, ends)]
    if recording.amplitudes:
        columns.append(RaggedColumn("spike_amplitudes", "in volts", _amplitudes(recording, len(times)), ends))
    if recording.obs_intervals:
        columns.append(_obs_intervals(recording))
    return columns


def signal(recording: Recording) -> NDArray[np.int16]:
    """Return two seconds of noise, samples x channels."""
    shape = (2 * SIGNAL_RATE, recording.channels)
    stream = random_stream(f"{recording.name}/{recording.probe}/signal")
    noise = random_integers(stream, shape[0] * shape[1], 10) - 512
    return noise.astype(np.int16).reshape(shape)


def _index(lengths: list[int], index_type: str) -> NDArray[np.integer]:
    """Return where each unit's values end; raises ValueError where the type is too small."""
    ends = np.cumsum(lengths, dtype=np.int64)
    if ends[-1] > np.iinfo(index_type).max:
        raise ValueError(f"{ends[-1]} values cannot be indexed with {index_type}; choose a wider index_type")
    return ends.astype(index_type)


def _amplitudes(recording: Recording, count: int) -> NDArray[np.float64]:
    """Draw an amplitude between 31 and 274 microvolts for each spike."""
    steps = random_integers(random_stream(f"{recording.name}/amplitudes"), count, 8)
    return (steps + 32) / (1 << 20)


def _obs_intervals(recording: Recording) -> RaggedColumn:
    """Say that each unit was observed in both halves of the recording, but not for a second between them."""
    half = recording.seconds / 2
    intervals = np.array([[0.0, half - 1], [half, float(recording.seconds)]]) + recording.clock_start
    ends = _index([2] * recording.units, recording.index_type)
    return RaggedColumn("obs_intervals", "in seconds", np.tile(intervals, (recording.units, 1)), ends)
