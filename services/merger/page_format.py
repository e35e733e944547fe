"""What the footer of every chunk and shard says besides its row groups, and the refusal of any other."""

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from services.common.data_format import WRITER_OPTIONS
from services.common.schema import SCHEMA, one_row
from services.merger.footer import FooterError, read_footer

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
