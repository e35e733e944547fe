"""The features in the metadata of every file: those of `datasets`, in a form that old releases read."""

import json

import datasets
import pyarrow as pa

from spikemill.services.common.parquet_schema import FEATURES, SCHEMA
from tests.samples.pile_features import FEATURES as SEEN


def in_new_words(feature: object) -> object:
    """Call lists what `datasets` calls them since release 4."""
    return json.loads(json.dumps(feature).replace('"Sequence"', '"List"'))


def test_datasets_reads_the_constant_and_writes_the_same() -> None:
    assert datasets.Features.from_dict(FEATURES) == SEEN
    assert SEEN.to_dict() == in_new_words(FEATURES)
    assert datasets.Features.from_dict(SEEN.to_dict()) == datasets.Features.from_dict(FEATURES)


def test_the_metadata_of_a_file_holds_the_constant() -> None:
    assert json.loads(SCHEMA.metadata[b"huggingface"]) == {"info": {"features": FEATURES}}
    assert datasets.Features.from_arrow_schema(SCHEMA) == SEEN


def test_the_columns_are_what_the_features_come_to() -> None:
    """Take nullability apart: features have none."""
    nullable = pa.schema([pa.field(field.name, field.type) for field in SCHEMA])
    assert SEEN.arrow_schema.types == [pa.list_(pa.list_(pa.uint8())), *[pa.string()] * 4]
    assert datasets.Features.from_arrow_schema(nullable) == SEEN


def test_no_list_is_called_what_old_releases_refuse() -> None:
    """Hold on to `Sequence`: `datasets` 2.19 and 3.6 know no `List`."""
    assert "List" not in SCHEMA.metadata[b"huggingface"].decode()
