"""Where a dataset's values lie: the bytes at its spans are its values."""

import io
import zlib

import h5py
import numpy as np
import pytest

from spikemill.services.binner.readers.nwb import byte_spans

VALUES = np.arange(2500.0)


@pytest.fixture
def content() -> io.BytesIO:
    """Write values in every layout that HDF5 has."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["contiguous"] = VALUES
        file["empty"] = np.empty(0)
        file.create_dataset("packed", data=VALUES, chunks=(1000,), compression="gzip")
        partly = file.create_dataset("partly", (2500,), "f8", chunks=(1000,))
        partly[2000:] = VALUES[2000:]
        partly[:1000] = VALUES[:1000]
        file.create_dataset("matrix", data=VALUES.reshape(50, 50), chunks=(20, 30))
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_DOUBLE, space, compact)
    return content


def stored_bytes(content: io.BytesIO, name: str) -> list[bytes]:
    """Return what stands in the file at each span of a dataset."""
    with h5py.File(content, "r") as file:
        spans = byte_spans(file[name])
    data = content.getvalue()
    return [data[span.offset : span.offset + span.length] for span in spans]


def test_contiguous_values_are_one_span(content: io.BytesIO) -> None:
    assert stored_bytes(content, "contiguous") == [VALUES.tobytes()]


def test_chunks_come_in_the_order_of_the_values(content: io.BytesIO) -> None:
    unpacked = b"".join(zlib.decompress(chunk) for chunk in stored_bytes(content, "packed"))
    assert unpacked[: VALUES.nbytes] == VALUES.tobytes()


def test_a_chunk_that_was_never_written_has_no_span(content: io.BytesIO) -> None:
    first, last = stored_bytes(content, "partly")
    assert first == VALUES[:1000].tobytes()
    assert last[:4000] == VALUES[2000:].tobytes()


def test_the_chunks_of_a_matrix_come_row_by_row(content: io.BytesIO) -> None:
    chunks = [np.frombuffer(chunk).reshape(20, 30) for chunk in stored_bytes(content, "matrix")]
    rows = [np.hstack(chunks[first : first + 2]) for first in (0, 2, 4)]
    np.testing.assert_array_equal(np.vstack(rows)[:50, :50], VALUES.reshape(50, 50))


@pytest.mark.parametrize("name", ["empty", "compact"])
def test_what_has_no_bytes_of_its_own_has_no_span(content: io.BytesIO, name: str) -> None:
    assert stored_bytes(content, name) == []
