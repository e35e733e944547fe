"""Chunks whose pages could not stand under the common footer are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.row_format import WRITER_OPTIONS
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.parquet_concat import FooterError, check_footer, read_footer
from tests.unit.merger.generated_piles import write_chunk

KEY = SessionKey("vcn", "sub-1", "ses-1")
COUNTS = "spike_counts.list.element.list.element"
MATRIX = np.arange(200, dtype=np.uint8).reshape(2, 100)


def check(path: Path) -> None:
    with path.open("rb") as file:
        check_footer(read_footer(file))


def nullable(name: str) -> pa.Schema:
    index = SCHEMA.get_field_index(name)
    return SCHEMA.set(index, SCHEMA.field(index).with_nullable(nullable=True))


def counts_of(kind: pa.DataType) -> pa.Schema:
    inner = pa.list_(pa.field("element", kind, nullable=False))
    field = pa.field("spike_counts", pa.list_(pa.field("element", inner, nullable=False)), nullable=False)
    return SCHEMA.set(0, field)


@pytest.mark.parametrize("rows", [1, 3])
def test_chunks_of_the_house_pass(tmp_path: Path, rows: int) -> None:
    write_chunk(tmp_path / "c.parquet", KEY, [MATRIX] * rows)
    check(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (nullable("subject_id"), "schema of the file"),
        (counts_of(pa.int8()), "schema of the file"),
        (counts_of(pa.uint16()), "schema of the file"),
        (SCHEMA.with_metadata({"huggingface": json.dumps({})}), "key_value_metadata of the file"),
        (SCHEMA.append(pa.field("area", pa.string())).remove(5).remove(4), "schema of the file"),
    ],
)
def test_another_schema_is_refused(tmp_path: Path, schema: pa.Schema, problem: str) -> None:
    path = tmp_path / "c.parquet"
    columns = [[[list(range(100))]], *([name] for name in (*KEY, "segment_0"))][: len(schema)]
    table = pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
    options = dict(WRITER_OPTIONS) | {"use_byte_stream_split": False}
    pq.write_table(table, path, **options)
    with pytest.raises(FooterError, match=problem):
        check(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"use_dictionary": ["subject_id"]}, r"encodings of row group 0, column subject_id"),
        ({"use_byte_stream_split": False}, r"encodings of row group 0, column spike_counts"),
        ({"compression": "snappy", "compression_level": None}, "codec of row group 0"),
        ({"write_page_index": True}, "index_length|index_offset"),
        ({"store_schema": False}, "key_value_metadata"),
        ({"version": "1.0"}, "version of the file|schema of the file"),
        ({"sorting_columns": [pq.SortingColumn(1)]}, "sorted"),
        ({"bloom_filter_options": {"subject_id": True}}, "bloom_filter_offset"),
    ],
)
def test_other_writer_options_are_refused(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    write_chunk(tmp_path / "c.parquet", KEY, [MATRIX], dict(WRITER_OPTIONS) | change)
    with pytest.raises(FooterError, match=problem):
        check(tmp_path / "c.parquet")


def test_encrypted_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    write_chunk(path, KEY, [MATRIX])
    with path.open("rb") as file:
        footer = read_footer(file)
    footer.row_groups[0].columns[1].encrypted_column_metadata = b"secret"
    with pytest.raises(FooterError, match="encrypted_column_metadata of row group 0, column subject_id"):
        check_footer(footer)
