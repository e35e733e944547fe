"""What an HDF5 file holds under a path, refused where it lies in another file."""

from typing import Any

import h5py

from services.common.errors import RecordingError


def member(parent: h5py.Group, name: str) -> Any:
    """Return what a group holds under a name, None where it holds nothing.

    What lies in another file is refused: nobody has listed, copied and verified that one.
    """
    found = parent.get(name)
    is_link = isinstance(parent.get(name, getlink=True), h5py.ExternalLink)
    if is_link or (isinstance(found, h5py.Dataset) and _is_kept_elsewhere(found)):
        raise RecordingError(
            f"{name} lies in another file, to which this one only points; "
            "export both into one file with pynwb, or exclude it in the catalogue"
        )
    return found


def find_group(file: h5py.File, path: str) -> h5py.Group | None:
    """Return the group at a path such as processing/ecephys/units, None where it leads to no group."""
    found: Any = file
    for name in path.strip("/").split("/"):
        found = member(found, name)
        if not isinstance(found, h5py.Group):
            return None
    return found


def _is_kept_elsewhere(dataset: h5py.Dataset) -> bool:
    """Tell whether the values of a dataset are kept in other files; HDF5 reads missing ones as zeros."""
    sources = dataset.virtual_sources() if dataset.is_virtual else ()
    return bool(dataset.external) or any(source.file_name != "." for source in sources)
