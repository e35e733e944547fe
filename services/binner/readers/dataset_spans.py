"""Where the values of an HDF5 dataset lie in its file, so that their bytes can be announced."""

import h5py

from services.common.ranges.spans import ByteSpan


def byte_spans(dataset: h5py.Dataset) -> list[ByteSpan]:
    """Return the stretches that hold a dataset's values, in the order in which a whole read needs them.

    Values that were never written, or that stand in the dataset's header, have none.
    """
    if dataset.chunks is not None:
        return _chunk_spans(dataset)
    offset = dataset.id.get_offset()
    return [] if offset is None else [ByteSpan(offset, dataset.id.get_storage_size())]


def _chunk_spans(dataset: h5py.Dataset) -> list[ByteSpan]:
    """Return the chunks in the order of their coordinates; the file may hold them in any other."""
    chunks: list[tuple[tuple[int, ...], ByteSpan]] = []
    dataset.id.chunk_iter(
        lambda chunk: chunks.append((chunk.chunk_offset, ByteSpan(chunk.byte_offset, chunk.size)))
    )
    return [span for _, span in sorted(chunks)]
