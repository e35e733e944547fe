"""Made-up recordings: who, how long, how many units, and what is odd about them."""

from dataclasses import astuple, dataclass

import numpy as np

from services.demo.recordings.spike_trains import (
    SAMPLE_RATE,
    Samples,
    random_stream,
    shared_drive,
    spike_train,
)

_ADVANCE = 2 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Recording:
    """What one made-up file holds; equal values give equal bytes.

    `probe` tells apart the files of one session, whose units share one drive and one clock, which starts at
    `clock_start` (seconds). `silent`, `unsorted` and `early` name the unit that has no spikes, unordered
    ones, or some before time zero. Without units there is no units table; with channels, a continuous
    signal.
    """

    subject_id: str
    session: str
    units: int
    seconds: int
    species: str = "mouse"
    probe: str = ""
    index_type: str = "uint32"
    clock_start: int = 0
    silent: int | None = None
    unsorted: int | None = None
    early: int | None = None
    amplitudes: bool = False
    obs_intervals: bool = False
    channels: int = 0

    @property
    def name(self) -> str:
        """Whose session this is, as file names say it."""
        return f"sub-{self.subject_id}_ses-{self.session}"

    @property
    def key(self) -> list[str]:
        """All that decides the recording, as texts."""
        return [str(value) for value in astuple(self)]


def spike_samples(recording: Recording) -> list[Samples]:
    """Return each unit's spikes, in samples of the recording's clock, in the order of the file."""
    stream = random_stream(f"{recording.name}/{recording.probe}/units")
    duration = recording.seconds * SAMPLE_RATE
    drive = shared_drive(random_stream(f"{recording.name}/drive"), duration)
    trains = [spike_train(stream, drive, duration) for _ in range(recording.units)]
    _make_odd(trains, recording)
    return [train + recording.clock_start * SAMPLE_RATE for train in trains]


def _make_odd(trains: list[Samples], recording: Recording) -> None:
    """Silence, unsort and advance the units that the recording names."""
    if recording.silent is not None:
        trains[recording.silent] = trains[recording.silent][:0]
    if recording.unsorted is not None:
        late_half_first = np.roll(trains[recording.unsorted], len(trains[recording.unsorted]) // 2)
        trains[recording.unsorted] = late_half_first
    if recording.early is not None:
        trains[recording.early] = trains[recording.early] - _ADVANCE
