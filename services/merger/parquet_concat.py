"""Row groups of several Parquet files under one footer, page for page, without decoding."""

import io
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq
import thriftpy2
from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.transport import TMemoryBuffer

from spikemill.services.common.parquet_schema import SCHEMA, one_row
from spikemill.services.common.row_format import WRITER_OPTIONS

MAGIC = b"PAR1"
_TAIL = struct.Struct("<I4s")
# More than a footer of a hundred row groups takes.
_LIKELY_SIZE = 128 * 1024
_memory: Callable[..., Any] = TMemoryBuffer  # thriftpy2 has no types
_SAME_IN_FILE = (
    "version",
    "schema",
    "key_value_metadata",
    "created_by",
    "column_orders",
    "encryption_algorithm",
    "footer_signing_key_metadata",
)
_SAME_IN_COLUMN_CHUNK = (
    "file_path",
    "offset_index_offset",
    "offset_index_length",
    "column_index_offset",
    "column_index_length",
    "crypto_metadata",
    "encrypted_column_metadata",
)
_SAME_IN_COLUMN_METADATA = (
    "type",
    "encodings",
    "path_in_schema",
    "codec",
    "key_value_metadata",
    "index_page_offset",
    "dictionary_page_offset",
    "bloom_filter_offset",
    "bloom_filter_length",
    "geospatial_statistics",
)


def join_row_groups(row_groups: Sequence[Any], start: int) -> Any:
    """Return the `RowGroup` that holds all rows of the given ones, its first page at byte `start`.

    Its column chunks follow each other in schema order; in each, the pages of the given row groups follow
    each other in their order. No page is looked at, so what counts pages is left out; as in pyarrow's own
    files, so is the ordinal, whose 16 bits a file of many small rows would overflow.
    """
    columns = []
    position = start
    for parts in zip(*(row_group.columns for row_group in row_groups), strict=True):
        column = _join_columns([part.meta_data for part in parts], position)
        position += column.total_compressed_size
        columns.append(structures().ColumnChunk(file_offset=0, meta_data=column))
    return structures().RowGroup(
        columns=columns,
        total_byte_size=sum(column.meta_data.total_uncompressed_size for column in columns),
        num_rows=sum(row_group.num_rows for row_group in row_groups),
        file_offset=start,
        total_compressed_size=position - start,
    )


def _join_columns(parts: Sequence[Any], position: int) -> Any:
    first = parts[0]
    return structures().ColumnMetaData(
        type=first.type,
        encodings=first.encodings,
        path_in_schema=first.path_in_schema,
        codec=first.codec,
        num_values=sum(part.num_values for part in parts),
        total_uncompressed_size=sum(part.total_uncompressed_size for part in parts),
        total_compressed_size=sum(part.total_compressed_size for part in parts),
        data_page_offset=position,
        statistics=_join_statistics([part.statistics for part in parts], first.type),
        size_statistics=_join_sizes([part.size_statistics for part in parts]),
    )


def _join_statistics(parts: Sequence[Any], physical_type: int) -> Any:
    """Return the bounds over all parts; what one part does not know is not known of the whole.

    How many values are distinct cannot be told from the parts.
    """
    if any(part is None for part in parts):
        return None
    lowest = _bound(parts, "min_value", physical_type, min)
    highest = _bound(parts, "max_value", physical_type, max)
    return structures().Statistics(
        null_count=_total(part.null_count for part in parts),
        min_value=lowest,
        max_value=highest,
        is_min_value_exact=None if lowest is None else _all_exact(parts, "is_min_value_exact"),
        is_max_value_exact=None if highest is None else _all_exact(parts, "is_max_value_exact"),
    )


def _bound(
    parts: Sequence[Any], field: str, physical_type: int, choose: Callable[..., bytes]
) -> bytes | None:
    values = [getattr(part, field) for part in parts]
    if None in values:
        return None
    return choose(values, key=_comparable(physical_type))


def _comparable(physical_type: int) -> Callable[[bytes], int | bytes]:
    """Return how a column's values compare: counts as unsigned integers, texts by their bytes."""
    if physical_type == structures().Type.BYTE_ARRAY:
        return bytes
    return lambda value: int.from_bytes(value, "little")


def _all_exact(parts: Sequence[Any], field: str) -> bool | None:
    flags = [getattr(part, field) for part in parts]
    return None if None in flags else all(flags)


def _join_sizes(parts: Sequence[Any]) -> Any:
    """Return the sums over all parts, from which readers estimate the memory they need."""
    if any(part is None for part in parts):
        return None
    return structures().SizeStatistics(
        unencoded_byte_array_data_bytes=_total(part.unencoded_byte_array_data_bytes for part in parts),
        repetition_level_histogram=_total_histogram([part.repetition_level_histogram for part in parts]),
        definition_level_histogram=_total_histogram([part.definition_level_histogram for part in parts]),
    )


def _total(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _total_histogram(histograms: Sequence[Sequence[int] | None]) -> list[int] | None:
    if any(histogram is None for histogram in histograms):
        return None
    return [sum(levels) for levels in zip(*(h for h in histograms if h is not None), strict=True)]


class FooterError(Exception):
    """The bytes are no Parquet footer, or one of a later format than `parquet_footer.thrift`."""


@lru_cache(maxsize=1)
def structures() -> Any:
    """Return the structures of `parquet_footer.thrift`, as classes of one module."""
    with as_file(files("spikemill.services.merger") / "parquet_footer.thrift") as definition:
        return thriftpy2.load(str(definition), module_name="parquet_footer_thrift")


class _KnownFieldsOnly(TCompactProtocol):
    """The compact protocol, where a field that the definition lacks is an error."""

    def skip(self, ttype: int) -> None:
        """Refuse: a skipped field would be missing in what is written later."""
        raise FooterError(f"it holds a field of Thrift type {ttype} that this version does not know")


_protocol: Callable[[Any], Any] = _KnownFieldsOnly


def read_footer(file: BinaryIO) -> Any:
    """Return the `FileMetaData` of an open Parquet file; raises `FooterError`."""

    def tail(size: int) -> bytes:
        file.seek(max(0, file.seek(0, 2) - size))
        return file.read()

    return footer_at_end(tail)


def footer_at_end(tail: Callable[[int], bytes]) -> Any:
    """Return the `FileMetaData` of a Parquet file whose last bytes, so many, are to be had of `tail`.

    They are asked for once, or twice where the footer is long. Raises `FooterError`.
    """
    end = tail(_LIKELY_SIZE)
    if len(end) < len(MAGIC) + _TAIL.size:
        raise FooterError(f"{len(end)} bytes are too few for a Parquet file")
    length, magic = _TAIL.unpack(end[-_TAIL.size :])
    whole = len(MAGIC) + length + _TAIL.size
    if magic == MAGIC and len(end) == _LIKELY_SIZE < whole:
        end = tail(whole)
    if magic != MAGIC or len(end) < whole:
        raise FooterError("it does not end as a Parquet file does")
    return parse_footer(end[-length - _TAIL.size : -_TAIL.size])


def parse_footer(data: bytes) -> Any:
    """Return the `FileMetaData` that the bytes hold; raises `FooterError`."""
    footer = structures().FileMetaData()
    try:
        _protocol(_memory(data)).read_struct(footer)
    except FooterError:
        raise
    except Exception as error:  # whatever damaged bytes set off in the Thrift library
        raise FooterError(f"its footer cannot be read: {error}") from error
    return footer


def footer_bytes(footer: Any) -> bytes:
    """Return everything that follows the last page: the footer, its length and the magic."""
    buffer = _memory()
    _protocol(buffer).write_struct(footer)
    data = bytes(buffer.getvalue())
    return data + _TAIL.pack(len(data), MAGIC)


@lru_cache(maxsize=1)
def expected_footer() -> Any:
    """Return the footer that pyarrow writes for one row of one unit and one bin in the house's format."""
    file = io.BytesIO()
    with pq.ParquetWriter(file, SCHEMA, **WRITER_OPTIONS) as writer:
        writer.write_batch(one_row(np.zeros((1, 1), np.uint8), "-", "-", "-", "-"))
    return read_footer(file)


def check_footer(footer: Any) -> None:
    """Refuse a file whose pages cannot stand under the common footer; raises `FooterError`."""
    expected = expected_footer()
    _compare(footer, expected, _SAME_IN_FILE, "the file")
    expected_columns = expected.row_groups[0].columns
    for index, row_group in enumerate(footer.row_groups):
        _check_row_group(row_group, expected_columns, f"row group {index}")


def _check_row_group(row_group: Any, expected_columns: Sequence[Any], where: str) -> None:
    if row_group.sorting_columns or len(row_group.columns) != len(expected_columns):
        raise FooterError(f"{where} has other columns, or sorted ones")
    for column, expected in zip(row_group.columns, expected_columns, strict=True):
        place = f"{where}, column {'.'.join(expected.meta_data.path_in_schema)}"
        if column.meta_data is None:
            raise FooterError(f"{place} has no metadata")
        _compare(column, expected, _SAME_IN_COLUMN_CHUNK, place)
        _compare(column.meta_data, expected.meta_data, _SAME_IN_COLUMN_METADATA, place)
        _check_pages(column.meta_data, expected.meta_data, place)


def _check_pages(metadata: Any, expected: Any, place: str) -> None:
    """Refuse pages of other kinds or encodings; a shard's column chunks do not count their pages."""
    kinds = {(stats.page_type, stats.encoding) for stats in metadata.encoding_stats or ()}
    if not kinds <= {(stats.page_type, stats.encoding) for stats in expected.encoding_stats}:
        raise FooterError(f"{place} has pages of other kinds or encodings: {sorted(kinds)}")


def _compare(found: Any, expected: Any, fields: Sequence[str], place: str) -> None:
    for field in fields:
        value, wanted = getattr(found, field), getattr(expected, field)
        if value != wanted:
            raise FooterError(f"{field} of {place} is {value!r:.300}, not {wanted!r:.300}")
