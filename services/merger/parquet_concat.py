"""Row groups of several Parquet files under one footer, page for page, without decoding."""

import io
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
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


class FooterError(Exception):
    """The bytes are no Parquet footer, or one of a later format than `parquet_footer.thrift`."""


@lru_cache(maxsize=1)
def structures() -> Any:
    """Return the structures of `parquet_footer.thrift`, as classes of one module."""
    with as_file(files("spikemill.services.merger") / "parquet_footer.thrift") as definition:
        return thriftpy2.load(str(definition), module_name="parquet_footer_thrift")


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
    """Return the bounds over all parts; how many values are distinct cannot be told from them.

    Texts compare by their bytes, counts as unsigned integers.
    """
    if any(part is None for part in parts):
        return None
    is_text = physical_type == structures().Type.BYTE_ARRAY
    by_value = bytes if is_text else partial(int.from_bytes, byteorder="little")
    lowest = _joined(parts, "min_value", partial(min, key=by_value))
    highest = _joined(parts, "max_value", partial(max, key=by_value))
    return structures().Statistics(
        null_count=_joined(parts, "null_count", sum),
        min_value=lowest,
        max_value=highest,
        is_min_value_exact=None if lowest is None else _joined(parts, "is_min_value_exact", all),
        is_max_value_exact=None if highest is None else _joined(parts, "is_max_value_exact", all),
    )


def _join_sizes(parts: Sequence[Any]) -> Any:
    """Return the sums over all parts, from which readers estimate the memory they need."""
    if any(part is None for part in parts):
        return None
    return structures().SizeStatistics(
        unencoded_byte_array_data_bytes=_joined(parts, "unencoded_byte_array_data_bytes", sum),
        repetition_level_histogram=_joined(parts, "repetition_level_histogram", _sum_histograms),
        definition_level_histogram=_joined(parts, "definition_level_histogram", _sum_histograms),
    )


def _joined(parts: Sequence[Any], field: str, join: Callable[[Sequence[Any]], Any]) -> Any:
    """Join a field of all parts; what one part does not know is not known of the whole."""
    values = [getattr(part, field) for part in parts]
    return None if None in values else join(values)


def _sum_histograms(histograms: Sequence[Sequence[int]]) -> list[int]:
    return [sum(levels) for levels in zip(*histograms, strict=True)]


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
    """Return the `FileMetaData` of a Parquet file; `tail` returns so many of its last bytes.

    It is called once, or twice where the footer is long. Raises `FooterError`.
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


def common_footer(row_groups: Sequence[Any]) -> Any:
    """Return the footer of a shard with these row groups; all chunks were found to have the same."""
    expected = expected_footer()
    return structures().FileMetaData(
        version=expected.version,
        schema=expected.schema,
        num_rows=sum(row_group.num_rows for row_group in row_groups),
        row_groups=row_groups,
        key_value_metadata=expected.key_value_metadata,
        created_by=expected.created_by,
        column_orders=expected.column_orders,
    )


def check_footer(footer: Any) -> None:
    """Refuse a file whose pages cannot stand under the common footer; raises `FooterError`."""
    expected = expected_footer()
    _compare(footer, expected, _SAME_IN_FILE, "the file")
    columns = expected.row_groups[0].columns
    for index, row_group in enumerate(footer.row_groups):
        where = f"row group {index}"
        if row_group.sorting_columns or len(row_group.columns) != len(columns):
            raise FooterError(f"{where} has other columns, or sorted ones")
        for column, wanted in zip(row_group.columns, columns, strict=True):
            _check_column(column, wanted, f"{where}, column {'.'.join(wanted.meta_data.path_in_schema)}")


def _check_column(column: Any, expected: Any, place: str) -> None:
    if column.meta_data is None:
        raise FooterError(f"{place} has no metadata")
    _compare(column, expected, _SAME_IN_COLUMN_CHUNK, place)
    _compare(column.meta_data, expected.meta_data, _SAME_IN_COLUMN_METADATA, place)
    # A shard's column chunks do not count their pages.
    kinds = {(stats.page_type, stats.encoding) for stats in column.meta_data.encoding_stats or ()}
    if not kinds <= {(stats.page_type, stats.encoding) for stats in expected.meta_data.encoding_stats}:
        raise FooterError(f"{place} has pages of other kinds or encodings: {sorted(kinds)}")


def _compare(found: Any, expected: Any, fields: Sequence[str], place: str) -> None:
    for field in fields:
        value, wanted = getattr(found, field), getattr(expected, field)
        if value != wanted:
            raise FooterError(f"{field} of {place} is {value!r:.300}, not {wanted!r:.300}")
