"""NWB 2 files whose bytes are fixed.

They are written with h5py, not pynwb, for three reasons: every object id, date and text is chosen here; the
bytes do not change with the schema that each pynwb version caches in its files; and the index of the spike
times can have each of the integer types that published files have. Superblock and object headers are pinned
to their oldest form, no times are tracked, and nothing is compressed, because deflate libraries differ
between builds of HDF5. With the locked version of h5py the bytes are therefore equal on every machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from services.demo.fixed_ids import fixed_uuid

DESCRIPTION = "Made up by spikemill for its demo: these data mean nothing."
SPECIES = {"mouse": "Mus musculus", "rat": "Rattus norvegicus"}

_START = "2024-01-05T09:00:00+00:00"
_SCHEMA_VERSION = "2.7.0"
_GROUPS = ("acquisition", "analysis", "general", "processing", "stimulus/presentation", "stimulus/templates")


@contextmanager
def nwb_file(path: Path, identifier: str) -> Iterator[h5py.File]:
    """Create a file with what the format asks of every session, and close it at the end."""
    with h5py.File(path, "w", libver=("earliest", "v110")) as file:
        write_text(file, "identifier", identifier)
        write_text(file, "session_description", DESCRIPTION)
        write_text(file, "session_start_time", _START)
        write_text(file, "timestamps_reference_time", _START)
        file.create_dataset("file_create_date", data=[_START], dtype=h5py.string_dtype())
        for group in _GROUPS:
            file.create_group(group)
        declare(file, "NWBFile", nwb_version=_SCHEMA_VERSION)
        yield file


def write_subject(file: h5py.File, subject_id: str, species: str) -> None:
    """Say whose recording this is; `species` is a key of `SPECIES`."""
    subject = file.create_group("general/subject")
    declare(subject, "Subject")
    write_text(subject, "age", "P90D")
    write_text(subject, "sex", "U")
    write_text(subject, "species", SPECIES[species])
    write_text(subject, "subject_id", subject_id)


def write_text(parent: h5py.Group, name: str, text: str) -> None:
    """Add a scalar text."""
    parent.create_dataset(name, data=text, dtype=h5py.string_dtype())


def declare(item: h5py.HLObject, neurodata_type: str, namespace: str = "core", **attributes: object) -> None:
    """Declare what an object of the file is, under an id made from the file's identifier and its place."""
    identifier = item.file["identifier"].asstr()[()]
    item.attrs["namespace"] = namespace
    item.attrs["neurodata_type"] = neurodata_type
    item.attrs["object_id"] = fixed_uuid(identifier, item.name)
    for name, value in attributes.items():
        item.attrs[name] = value
