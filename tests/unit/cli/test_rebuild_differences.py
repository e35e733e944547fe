"""What differs between a pile and its rebuilding."""

from dataclasses import replace

from spikemill.services.cli.rebuild import differences
from spikemill.services.merger.provenance import AssetRecord, ShardRecord
from tests.unit.cli.provenances import provenance, session

CHANGED = AssetRecord(asset_id="a", path="a.nwb", size=2, digests={"sha256": "1"})


def test_equal_piles_have_none() -> None:
    assert list(differences(provenance(), provenance())) == []


def test_an_asset_that_changed_is_named_and_what_follows_from_it_is_not() -> None:
    found = provenance(session("a", assets=(CHANGED,), chunk_sha256="1"))
    assert list(differences(provenance(), found)) == [
        "vcn/sub-1/a: a.nwb is no longer what the archive held when the pile was made",
        "provenance.jsonl is not the same",
    ]


def test_sessions_that_came_or_went_are_named() -> None:
    lines = list(differences(provenance(session("a")), provenance(session("b"))))
    assert lines[:2] == ["vcn/sub-1/a: is not in the new pile", "vcn/sub-1/b: was not in the pile"]


def test_other_bytes_from_the_same_files_are_told() -> None:
    lines = list(differences(provenance(), provenance(session("a", chunk_sha256="1"))))
    assert lines[0] == "vcn/sub-1/a: the same files came out with other bytes"


def test_shards_are_compared_by_their_digests() -> None:
    shard = ShardRecord(name="data/train.parquet", split="train", bytes=1, sha256="1", rows=1, tokens=1)
    lines = list(differences(provenance(), provenance(shards=(shard,))))
    assert lines[0] == "data/train.parquet: its sha256 is 1, recorded is 0"


def test_another_format_is_the_first_cause() -> None:
    lines = list(differences(provenance(), provenance(format_id="two")))
    assert lines[0].startswith("the pile was written as one, this spikemill writes two")


def test_a_session_that_is_no_longer_missing_makes_another_pile() -> None:
    found = replace(provenance(), missing=())
    assert list(differences(provenance(), found)) == ["provenance.jsonl is not the same"]
