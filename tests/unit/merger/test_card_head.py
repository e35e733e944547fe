"""The head of a card: what `datasets` and the hub read of it, whatever the texts of a catalogue are."""

import re
import warnings
from typing import Any

import pytest
import yaml
from datasets import Features
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import CardData, DatasetCard
from hypothesis import example, given
from hypothesis import strategies as st

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.merger.card import HubCard, render_card
from spikemill.services.merger.card_head import card_head
from spikemill.services.merger.plan import SplitFacts, SplitRule
from spikemill.services.merger.provenance import MissingRecord, PileRecord, Provenance, ShardRecord
from tests.samples.pile_features import FEATURES

SPLIT = SplitFacts(
    rule=SplitRule.DIGEST,
    groups=9,
    test_groups=2,
    train_rows=70,
    test_rows=5,
    train_tokens=700,
    test_tokens=50,
)
TEXTS = st.text(max_size=80)
# What YAML, a regular expression for the head, or Markdown could take for something else.
ODD = "null\n---\n# \u2028\x85\ufeff\U0001f9e0: \"'|\\ ```\n<!-- 1e3"


def pile(**changes: Any) -> PileRecord:
    """Return the record of a pile of two shards."""
    shards = tuple(
        ShardRecord(
            name=f"data/{split}-00000-of-00001.parquet", split=split, bytes=10, sha256="0", rows=1, tokens=1
        )
        for split in ("train", "test")
    )
    fields = {
        "name": "a-pile",
        "format_id": FORMAT_ID,
        "rows_digest": "0",
        "parameters": MergeParameters(),
        "sources": ({"name": "vcn", "archive": "dandi", "identifier": "000021", "license": "CC-BY-4.0"},),
        "split": SPLIT,
        "shards": shards,
    }
    return PileRecord.model_validate(fields | changes)


def with_rows(rows: int) -> PileRecord:
    """Return the record of a pile of so many rows."""
    facts = SPLIT.model_copy(update={"train_rows": rows - 5})
    return pile(split=facts)


def head(record: PileRecord) -> dict[str, Any]:
    """Return what YAML makes of a head."""
    content = card_head(record)
    assert content.startswith("---\n")
    assert content.endswith("\n---\n")
    metadata: dict[str, Any] = yaml.safe_load(content.removeprefix("---\n").removesuffix("---\n"))
    return metadata


def test_rows_bytes_and_files_of_each_split_are_exact() -> None:
    found = head(pile())
    assert found["dataset_info"]["splits"] == [
        {"name": "train", "num_bytes": 700, "num_examples": 70},
        {"name": "test", "num_bytes": 50, "num_examples": 5},
    ]
    assert (found["dataset_info"]["download_size"], found["dataset_info"]["dataset_size"]) == (20, 750)
    assert found["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*"},
                {"split": "test", "path": "data/test-*"},
            ],
        }
    ]


def test_features_are_those_of_the_shards_in_the_form_that_every_release_of_datasets_reads() -> None:
    counts, *texts = head(pile())["dataset_info"]["features"]
    assert counts == {"name": "spike_counts", "sequence": {"sequence": "uint8"}}
    assert texts == FEATURES._to_yaml_list()[1:]  # noqa: SLF001 - what its push_to_hub writes
    assert Features._from_yaml_list([counts, *texts]) == FEATURES  # noqa: SLF001


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (6, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (44_000, "10K<n<100K"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_the_size_is_one_of_the_hubs_classes(rows: int, category: str) -> None:
    assert head(with_rows(rows))["size_categories"] == [category]


@pytest.mark.parametrize("name", ["null", "on", "1e3", "007", "2026-11-20", "0x1f"])
def test_a_name_stays_a_text_for_every_reader(name: str) -> None:
    assert f'\npretty_name: "{name}"\n' in card_head(pile(name=name))


@given(TEXTS, TEXTS, TEXTS, st.sampled_from(["dandi", "figshare", "files"]))
@example(ODD, ODD, ODD, "dandi")
def test_whatever_a_catalogue_says_the_head_is_valid(
    name: str, text: str, licence: str, archive: str
) -> None:
    source = {
        "name": text or "source",
        "archive": archive,
        "identifier": text,
        "version": name,
        "license": licence,
        "species": text,
        "citation": text,
    }
    record = pile(name=name, notes=text, sources=(source,))
    missing = MissingRecord(source=text, path=name, reason=text)
    for hub in (None, HubCard("lab/spikes", {text: "pictures/a.png"})):
        content = render_card(Provenance(record, (), (missing,)), "abc", hub=hub)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = DatasetCard(content).data
        require_usable(data, record)
        assert content.startswith(card_head(record))


def require_usable(data: CardData, record: PileRecord) -> None:
    """See that the hub's and the datasets' own readers find what was written."""
    assert data["pretty_name"] == record.name
    info = DatasetInfosDict.from_dataset_card_data(data)["default"]
    assert info.features == FEATURES
    assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 70, "test": 5}
    assert list(MetadataConfigs.from_dataset_card_data(data)) == ["default"]
    if data["license"] == "other":
        assert re.fullmatch(r"[a-z0-9.-]{1,96}", data["license_name"])
        assert str(data.get("license_link", "https://")).startswith("https://")
