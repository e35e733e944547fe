"""The reader of NWB 2 files with a units table."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import Any
from unicodedata import normalize

import h5py
import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.readers.base import (
    WAY_OUT,
    ByteSpan,
    RecordingFile,
    SpikeTrains,
    as_stream,
    reading,
)
from spikemill.services.common.errors import RecordingError

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_USER_BLOCK = 512
_NOT_OPENED = (FileNotFoundError, IsADirectoryError, PermissionError)
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_NAME_THE_SUBJECT = "put the file into a folder that is named for the subject, such as sub-01"


class NwbReader:
    """What the readers of NWB 2 files share."""

    __slots__ = ()

    def subject_id(self, file: RecordingFile) -> str | None:
        """Return the subject's id in NFC, None where the file has no subject or an empty id."""
        with open_nwb(file) as content:
            return _read_subject_id(content)


@dataclass(frozen=True, slots=True)
class NwbUnits(NwbReader):
    """Reads the spikes in two bulk reads, and what describes the session through pynwb.

    `table` is the path of the units table in the file. The counts need no metadata, so a file whose metadata
    pynwb refuses is still counted; its subject is not guessed then, and has to stand in the file's path.
    """

    table: str = "units"

    def read(self, file: RecordingFile) -> SpikeTrains:
        """Read all rows of the units table, without any filter of quality.

        Raises `RecordingError` for a missing table or column, for one that lies in another file, and for an
        index that is not a rising list of whole numbers which ends exactly where the spike times end: it
        would give spikes to the wrong units.
        """
        with open_nwb(file) as content:
            units = _find_table(content, self.table)
            spike_times = _column(units, "spike_times")
            if spike_times.dtype.kind not in "fiu":
                raise RecordingError(f"the spike_times of the units table are not numbers; {WAY_OUT}")
            index = _index(units)
            for column in (index, spike_times):
                file.expect(byte_spans(column))
            ends = _read_ends(index, len(spike_times))
            return SpikeTrains(_read_seconds(spike_times), ends)


def _find_table(file: h5py.File, path: str) -> h5py.Group:
    table = find_group(file, path)
    if table is None:
        what = "units table" if path == "units" else f"table at {path}"
        raise RecordingError(f"the file has no {what}, so no spikes{_found_elsewhere(file)}")
    if "spike_times" not in table:
        raise RecordingError(f"the units table has no spike_times column{_found_elsewhere(file)}")
    return table


def _found_elsewhere(file: h5py.File) -> str:
    """Say which tables of the file hold spike times, and what to do."""
    found: list[str] = []
    file.visit(lambda name: found.append(name) if name.endswith("/spike_times") else None)
    tables = [name.removesuffix("/spike_times") for name in found]
    if not tables:
        return "; exclude the file in the catalogue"
    return (
        f"; there are some in {' and in '.join(tables)}: name the table in the catalogue, "
        f'reader_options = {{ table = "{tables[0]}" }}, or exclude the file'
    )


def _column(units: h5py.Group, name: str) -> h5py.Dataset:
    column = member(units, name)
    if not isinstance(column, h5py.Dataset):
        raise RecordingError(f"the units table has no {name} column; exclude the file in the catalogue")
    if column.shape is None or len(column.shape) != 1:
        raise RecordingError(
            f"the {name} column of the units table is not a list, its shape is {column.shape}; {WAY_OUT}"
        )
    return column


def _index(units: h5py.Group) -> h5py.Dataset:
    index = _column(units, "spike_times_index")
    if index.dtype.kind not in "iu":
        raise RecordingError(
            f"the spike_times_index of the units table does not hold whole numbers; {WAY_OUT}"
        )
    n_rows = len(_column(units, "id")) if "id" in units else len(index)
    if n_rows != len(index):
        raise RecordingError(
            f"the units table has {n_rows} rows, but {len(index)} in spike_times_index; {WAY_OUT}"
        )
    return index


def _read_ends(index: h5py.Dataset, n_spikes: int) -> NDArray[np.int64]:
    """Return where each unit's spikes end, int64 of shape (n_units,)."""
    ends = index[:]
    if ends.size and (ends[0] < 0 or (ends[1:] < ends[:-1]).any()):
        raise RecordingError(f"the spike_times_index of the units table decreases; {WAY_OUT}")
    last = int(ends[-1]) if ends.size else 0
    if last != n_spikes:
        raise RecordingError(
            f"the spike_times_index of the units table ends at {last:,}, "
            f"but there are {n_spikes:,} spike times, so spikes cannot be given to units; {WAY_OUT}"
        )
    return np.asarray(ends, np.int64)


def _read_seconds(spike_times: h5py.Dataset) -> NDArray[np.float64]:
    # HDF5 converts other numbers to float64 in small pieces.
    seconds = np.empty(len(spike_times), dtype=np.float64)
    # A signal that comes while HDF5 reads raises its error in the next Python code that runs. After
    # `read_direct` that is a callback for a type that h5py made and forgot, and its errors are dropped.
    in_memory = h5py.h5t.py_create(seconds.dtype)
    if seconds.size:
        spike_times.id.read(h5py.h5s.ALL, h5py.h5s.ALL, seconds, in_memory)
    return seconds


@contextmanager
def open_nwb(file: RecordingFile) -> Iterator[h5py.File]:
    """Open the file; whatever is wrong with it, here or in the body, becomes an error that names it."""
    with reading(file) as source, _damage_explained(), _open_hdf5(source) as content:
        _require_nwb_2(content)
        yield content


@contextmanager
def _damage_explained() -> Iterator[None]:
    """Say what HDF5 means by its errors; `reading` explains why a file cannot be opened."""
    try:
        yield
    except _NOT_OPENED:
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
    except _NOT_OPENED:
        raise
    except OSError as error:
        raise RecordingError(_why_not_hdf5(source)) from error


def _why_not_hdf5(source: Path | IOBase) -> str:
    with as_stream(source) as content:
        size = content.seek(0, os.SEEK_END)
        if size == 0:
            return "the file is empty (0 bytes); fetch it again or exclude it in the catalogue"
        if _has_signature(content, size):
            return "the HDF5 file is cut off or damaged at its beginning; fetch it again"
    return "this is not an HDF5 file, so not NWB 2; exclude it in the catalogue"


def _has_signature(content: IOBase, size: int) -> bool:
    """Look for the signature where HDF5 does: at the start, or after 512 x 2^n bytes of something else."""
    place = 0
    while place < size:
        content.seek(place)
        if content.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
            return True
        place = 2 * place or _FIRST_USER_BLOCK
    return False


def _require_nwb_2(file: h5py.File) -> None:
    if len(file) == 0:
        raise RecordingError("the HDF5 file holds nothing; exclude it in the catalogue")
    # Some writers store it as bytes or as an array of one.
    stored = np.ravel(file.attrs.get("nwb_version", ()))
    if stored.size != 1:
        raise RecordingError(
            "the HDF5 file carries no nwb_version attribute, so it is not NWB 2 "
            "(NWB 1 is not read); convert it, or exclude it in the catalogue"
        )
    version = stored[0].decode(errors="replace") if isinstance(stored[0], bytes) else str(stored[0])
    version = version.removeprefix("NWB-")
    if version.startswith(("0", "1")):
        raise RecordingError(f"the file is NWB {version}, only NWB 2 is read; convert it or exclude it")


def _read_subject_id(file: h5py.File) -> str | None:
    # Most archives name the subject in the path; pynwb's 60 MiB are taken only where one does not.
    from pynwb import NWBHDF5IO  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # pynwb warns of old namespaces and fields, which a reader of other people's files cannot change.
            warnings.simplefilter("ignore")
            subject = NWBHDF5IO(file=file, mode="r").read().subject
    except Exception as error:  # on odd metadata pynwb raises any error
        raise RecordingError(
            f"pynwb cannot read the file's metadata, so nobody knows the subject; {_NAME_THE_SUBJECT}"
        ) from error
    stored = subject.subject_id if subject is not None else None
    name = normalize("NFC", (stored or "").strip())
    if name and not _NAME.fullmatch(name):
        # No table, file name or ledger could hold it.
        raise RecordingError(f"its subject id cannot be used as a name ({name[:40]!r}); {_NAME_THE_SUBJECT}")
    return name or None


def member(parent: h5py.Group, name: str) -> Any:
    """Return what a group holds under a name, None where it holds nothing.

    What lies in another file is refused: that file was not listed, copied and verified. So are virtual
    datasets: HDF5 reads the values of a missing source as zeros.
    """
    found = parent.get(name)
    if _lies_elsewhere(parent, name, found):
        raise RecordingError(
            f"{name} lies in another file, to which this one only points; "
            "export both into one file with pynwb, or exclude it in the catalogue"
        )
    if isinstance(found, h5py.Dataset) and found.is_virtual:
        raise RecordingError(
            f"{name} is put together from other datasets, and a missing one would not be noticed; "
            "write its values into one dataset, or exclude it in the catalogue"
        )
    return found


def _lies_elsewhere(parent: h5py.Group, name: str, found: Any) -> bool:
    """Tell whether a name leads into another file, by any links, or to values that are kept in one."""
    if isinstance(parent.get(name, getlink=True), h5py.ExternalLink):
        return True
    if found is not None and found.file.filename != parent.file.filename:
        return True
    if not isinstance(found, h5py.Dataset):
        return False
    sources = found.virtual_sources() if found.is_virtual else ()
    return bool(found.external) or any(source.file_name != "." for source in sources)


def find_group(file: h5py.File, path: str) -> h5py.Group | None:
    """Return the group at a path such as processing/ecephys/units, None where it leads to no group."""
    found: Any = file
    for name in path.strip("/").split("/"):
        found = member(found, name)
        if not isinstance(found, h5py.Group):
            return None
    return found


def byte_spans(dataset: h5py.Dataset) -> list[ByteSpan]:
    """Return the byte ranges that hold a dataset's values, in the order in which a whole read needs them.

    Values that were never written, or that stand in the dataset's header, have none.
    """
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        return [] if offset is None else [ByteSpan(offset, dataset.id.get_storage_size())]
    # Chunks may stand in the file in any order; they are read in the order of their coordinates.
    chunks: list[tuple[tuple[int, ...], ByteSpan]] = []
    dataset.id.chunk_iter(
        lambda chunk: chunks.append((chunk.chunk_offset, ByteSpan(chunk.byte_offset, chunk.size)))
    )
    return [span for _, span in sorted(chunks)]
