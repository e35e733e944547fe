"""Opening an NWB 2 file for reading, with errors that a scientist understands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from services.common.errors import AssetError, RecordingError


@contextmanager
def open_nwb(path: Path) -> Iterator[h5py.File]:
    """Open the file; whatever is wrong with it, here or in the body, becomes an error that names it."""
    try:
        with _open_hdf5(path) as file:
            _require_nwb_2(file)
            yield file
    except RecordingError as error:
        raise RecordingError(f"{path.name}: {error}") from error
    except (OSError, RuntimeError, KeyError) as error:
        raise RecordingError(
            f"{path.name}: the file is damaged inside, or packed in a way that HDF5 cannot read here; "
            "fetch it again, tell its authors, or exclude it in the catalogue"
        ) from error


def _open_hdf5(path: Path) -> h5py.File:
    """Open without a lock: archives are often mounted from file systems that have none (h5py #1101)."""
    try:
        return h5py.File(path, "r", locking=False)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise AssetError(f"{path.name}: there is no such file at {path.parent}") from error
    except PermissionError as error:
        raise AssetError(f"{path.name}: no permission to read the file at {path.parent}") from error
    except OSError as error:
        raise RecordingError(_why_not_hdf5(path)) from error


def _why_not_hdf5(path: Path) -> str:
    """Tell a file of another kind from an HDF5 file that is not whole."""
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes); fetch it again or exclude it in the catalogue"
    if h5py.is_hdf5(path):
        return "the HDF5 file is cut off or damaged at its beginning; fetch it again"
    return "this is not an HDF5 file, so not NWB 2; exclude it in the catalogue"


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
