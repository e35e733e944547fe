"""What an HDF5 file holds under a path, refused where it lies in another file."""

from typing import Any

import h5py

from services.common.errors import RecordingError


def member(parent: h5py.Group, name: str) -> Any:
    """Return what a group holds under a name, None where it holds nothing.

    What lies in another file is refused: nobody has listed, copied and verified that one. So are values that
    are put together from other datasets, for HDF5 reads missing ones as zeros.
    """
    found = parent.get(name)
    if _lies_elsewhere(parent, name, found):
        raise RecordingError(
            f"{name} lies in another file, to which this one only points; "
            "export both into one file with pynwb, or exclude it in the catalogue"
        )
    if isinstance(found, h5py.Dataset) and found.is_virtual:
        raise RecordingError(
            f"{name} is put together from other datasets, and nobody would notice a missing one; "
            "write its values into one dataset, or exclude it in the catalogue"
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


def _lies_elsewhere(parent: h5py.Group, name: str, found: Any) -> bool:
    """Tell whether a name leads into another file, by whatever links, or to values that are kept in one."""
    if isinstance(parent.get(name, getlink=True), h5py.ExternalLink):
        return True
    if found is not None and found.file.filename != parent.file.filename:
        return True
    return isinstance(found, h5py.Dataset) and _is_kept_elsewhere(found)


def _is_kept_elsewhere(dataset: h5py.Dataset) -> bool:
    """Tell whether the values of a dataset are kept in other files."""
    sources = dataset.virtual_sources() if dataset.is_virtual else ()
    return bool(dataset.external) or any(source.file_name != "." for source in sources)
