"""The files of made-up recordings: made once, written aside, then renamed."""

import os
import tempfile
from pathlib import Path

import h5py

from services.common.errors import StoreError
from services.common.types import digest
from services.demo.recordings.columns import SIGNAL_RATE, signal, units_columns
from services.demo.recordings.nwb_contents import write_signal, write_units
from services.demo.recordings.nwb_file import nwb_file, write_subject
from services.demo.recordings.recording import Recording

_RECIPE = 1
"""Raised whenever equal recordings would come out with other bytes than before."""


def recording_file(recording: Recording, folder: Path) -> Path:
    """Return the file of a recording in the folder, made if it is not there.

    A file that stands there is whole. Raises `StoreError` where it cannot be written.
    """
    path = folder / _file_name(recording)
    if path.exists():
        return path
    try:
        _write_aside(recording, path)
    except OSError as error:
        raise StoreError(
            f"The made-up recording {path} cannot be written: {error}. "
            "Free some space there or choose another folder."
        ) from error
    return path


def write_recording(recording: Recording, path: Path) -> None:
    """Write the recording as an NWB file."""
    identifier = "/".join((recording.name, recording.probe, str(recording.channels)))
    with nwb_file(path, identifier) as file:
        write_subject(file, recording.subject_id, recording.species)
        if recording.units:
            write_units(file, recording.units, units_columns(recording))
        if recording.channels:
            write_signal(file, signal(recording), SIGNAL_RATE)


def _file_name(recording: Recording) -> str:
    """Return a name that changes with everything that decides the bytes."""
    return f"{recording.name}_{digest([_RECIPE, h5py.__version__, recording.key])[:20]}.nwb"


def _write_aside(recording: Recording, path: Path) -> None:
    """Write the recording beside its place, and rename it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as aside:
        partial = Path(aside, path.name)
        write_recording(recording, partial)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
