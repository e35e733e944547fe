"""Footers of the present pyarrow pass through our structures without losing a byte."""

import datetime as dt
import decimal
import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spikemill.services.common.types import SessionKey
from spikemill.services.merger.parquet_concat import FooterError, footer_bytes, parse_footer, read_footer
from tests.unit.merger.generated_piles import make_session

EVERY_TYPE = pa.table(
    {
        "flag": [True, None],
        "small": pa.array([-1, None], pa.int8()),
        "large": pa.array([2**63, 1], pa.uint64()),
        "half": pa.array([1.5, float("nan")], pa.float32()).cast(pa.float16()),
        "real": [0.5, float("nan")],
        "text": ["a", None],
        "bytes": [b"\xff\x00", b""],
        "fixed": pa.array([b"ab", b"cd"], pa.binary(2)),
        "date": [dt.date(2000, 1, 1), None],
        "time": pa.array([1, 2], pa.time64("us")),
        "instant": pa.array([1, 2], pa.timestamp("us", tz="UTC")),
        "price": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(9, 2)),
        "nothing": pa.nulls(2),
        "list": [[1, 2], None],
        "record": [{"x": 1}, {"x": None}],
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
    }
)
OPTIONS: list[Mapping[str, Any]] = [
    {},
    {"use_dictionary": False, "compression": "zstd"},
    {"write_page_index": True, "write_page_checksum": True, "store_schema": False},
    {"sorting_columns": [pq.SortingColumn(2)], "version": "1.0", "data_page_version": "2.0"},
]


def footer_of(data: bytes) -> bytes:
    """Return the serialised footer, its length and the magic."""
    (length,) = struct.unpack("<I", data[-8:-4])
    return data[-8 - length :]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_footer_of_every_type_comes_back_byte_for_byte(options: Mapping[str, Any]) -> None:
    file = io.BytesIO()
    pq.write_table(EVERY_TYPE, file, row_group_size=1, **options)
    assert footer_bytes(read_footer(file)) == footer_of(file.getvalue())


def test_a_chunk_footer_comes_back_byte_for_byte_and_says_what_pyarrow_reads(tmp_path: Path) -> None:
    session = make_session(tmp_path, SessionKey("vcn", "sub-1", "ses-1"))
    with session.path.open("rb") as file:
        footer = read_footer(file)
    assert footer_bytes(footer) == footer_of(session.path.read_bytes())
    metadata = pq.read_metadata(session.path)
    assert (footer.num_rows, footer.created_by) == (metadata.num_rows, metadata.created_by)
    for index, row_group in enumerate(footer.row_groups):
        for number, column in enumerate(row_group.columns):
            known = metadata.row_group(index).column(number)
            assert column.meta_data.data_page_offset == known.data_page_offset
            assert column.meta_data.total_compressed_size == known.total_compressed_size
            assert column.meta_data.num_values == known.num_values


def test_a_field_of_a_later_format_is_refused() -> None:
    file = io.BytesIO()
    pq.write_table(EVERY_TYPE, file)
    whole = footer_of(file.getvalue())[:-8]
    assert whole.endswith(b"\x00")
    unknown = b"\x05\x64\x02"  # an i32 with the field id 50
    with pytest.raises(FooterError, match="does not know"):
        parse_footer(whole[:-1] + unknown + b"\x00")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "too few"),
        (b"PAR1" + bytes(40), "does not end"),
        (b"PAR1" + struct.pack("<I", 10**6) + b"PAR1", "does not end"),
        (b"PAR1" + b"\x15\x04\x19" + struct.pack("<I", 3) + b"PAR1", "cannot be read"),
        (b"PAR1" + b"\xff" * 90 + struct.pack("<I", 90) + b"PAR1", "cannot be read"),
    ],
)
def test_what_is_no_parquet_file_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(FooterError, match=problem):
        read_footer(io.BytesIO(data))
