"""New NWB files, named as their archives name them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from spikemill.services.cli.made_up import declare, nwb_file, write_signal, write_text

_SIGNAL_RATE = 1250
_CHANNELS = 16
_BYTES_PER_SAMPLE = 2 * _CHANNELS


@contextmanager
def new_nwb(name: str, file: Path) -> Iterator[h5py.File]:
    """Create the file that has this path in its archive; it says whose it is, as its folder does."""
    with nwb_file(file, name) as nwb:
        subject = nwb.create_group("general/subject")
        declare(subject, "Subject")
        write_text(subject, "subject_id", PurePosixPath(name).parent.name.removeprefix("sub-"))
        yield nwb


def add_signal(nwb: h5py.File, size: int) -> None:
    """Add a recorded signal of about `size` bytes."""
    write_signal(nwb, np.zeros((-(-size // _BYTES_PER_SAMPLE), _CHANNELS), np.int16), _SIGNAL_RATE)
