"""Opening an NWB 2 file for reading, with errors that a scientist understands."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import IOBase
from pathlib import Path

import h5py
import numpy as np

from services.binner.readers.base import RecordingFile
from services.binner.readers.reading import as_stream, reading
from services.common.errors import RecordingError

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_USER_BLOCK = 512


@contextmanager
def open_nwb(file: RecordingFile) -> Iterator[h5py.File]:
    """Open the file; whatever is wrong with it, here or in the body, becomes an error that names it."""
    with reading(file) as source, _damage_told(), _open_hdf5(source) as content:
        _require_nwb_2(content)
        yield content


@contextmanager
def _damage_told() -> Iterator[None]:
    """Say what HDF5 means by its errors; that a file cannot be opened is said elsewhere."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, RuntimeError, KeyError) as error:
        raise RecordingError(
            "the file is damaged inside, or packed in a way that HDF5 cannot read here; "
            "fetch it again, tell its authors, or exclude it in the catalogue"
        ) from error


def _open_hdf5(source: Path | IOBase) -> h5py.File:
    """Open without a lock: archives are often mounted from file systems that have none (h5py #1101)."""
    try:
        return h5py.File(source, "r", locking=False)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except OSError as error:
        raise RecordingError(_why_not_hdf5(source)) from error


def _why_not_hdf5(source: Path | IOBase) -> str:
    """Tell a file of another kind from an HDF5 file that is not whole."""
    with as_stream(source) as content:
        size = content.seek(0, os.SEEK_END)
        if size == 0:
            return "the file is empty (0 bytes); fetch it again or exclude it in the catalogue"
        if _has_signature(content, size):
            return "the HDF5 file is cut off or damaged at its beginning; fetch it again"
    return "this is not an HDF5 file, so not NWB 2; exclude it in the catalogue"


def _has_signature(content: IOBase, size: int) -> bool:
    """Look for the signature where HDF5 does: at the start, or behind 512 x 2^n bytes of something else."""
    place = 0
    while place < size:
        content.seek(place)
        if content.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
            return True
        place = 2 * place or _FIRST_USER_BLOCK
    return False


def _require_nwb_2(file: h5py.File) -> None:
    """Raise where the file does not say that it is NWB 2 or later."""
    if len(file) == 0:
        raise RecordingError("the HDF5 file holds nothing; exclude it in the catalogue")
    version = _nwb_version(file)
    if version is None:
        raise RecordingError(
            "the HDF5 file carries no nwb_version attribute, so it is not NWB 2 "
            "(NWB 1 is not read); convert it, or exclude it in the catalogue"
        )
    if version.startswith(("0", "1")):
        raise RecordingError(f"the file is NWB {version}, only NWB 2 is read; convert it or exclude it")


def _nwb_version(file: h5py.File) -> str | None:
    """Return the version as text; some writers store it as bytes or as an array of one."""
    stored = file.attrs.get("nwb_version")
    if stored is None or np.size(stored) != 1:
        return None
    version = np.ravel(stored)[0]
    text = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
    return text.removeprefix("NWB-")
