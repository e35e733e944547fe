"""The programs of a card read the pile as it was merged, and of one source no more than they must."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi
from matplotlib.image import imread

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.hub.push import push
from spikemill.services.merger.provenance import pile_in_folder
from spikemill.services.merger.verify import verify_pile
from standins.hub.server import serve_hub
from tests.unit.merger.card_programs import programs, require_rows, rows_of, run_programs, signed
from tests.unit.merger.generated_piles import make_session, write_pile

pytestmark = pytest.mark.slow

NO_TEST = MergeParameters(seed=1, test_fraction=0)
END, MIDDLE = "a-rare-one", "middle"


@pytest.fixture
def shuffled(tmp_path: Path) -> Path:
    """Make a pile of 93 rows: most are of `alpha` or `zeta`; names between those are rare, and one before."""
    sizes = {"alpha": 30, "zeta": 58, MIDDLE: 3, END: 2}
    sessions = [
        make_session(tmp_path / "store", SessionKey(source, "sub-1", "ses-1"), rows=rows)
        for source, rows in sizes.items()
    ]
    write_pile(tmp_path / "shuffled", sessions, NO_TEST)
    return tmp_path / "shuffled"


def shards_of(pile: Path) -> list[Path]:
    return sorted((pile / "data").glob("train-*"))


def test_a_pile_on_disk_is_read_by_its_own_card(pile: Path, tmp_path: Path) -> None:
    card = (pile / "README.md").read_text(encoding="utf-8").replace("PATH", str(pile))
    told = run_programs(card, tmp_path / "home", str(pile), source="shield")
    require_rows(told, rows_of(shards_of(pile)), "shield")


@pytest.mark.parametrize("revision", ["main", "next/try"])
def test_a_published_pile_is_read_by_its_own_card(pile: Path, tmp_path: Path, revision: str) -> None:
    with serve_hub(tmp_path / "hub") as hub:
        push(pile_in_folder(pile), HubTarget("lab/spikes", revision, endpoint=hub.url))
        card = httpx.get(f"{hub.url}/datasets/lab/spikes/resolve/{quote(revision, safe='')}/README.md").text
        told = run_programs(
            card,
            tmp_path / "home",
            "lab/spikes",
            source="shield",
            env={"HF_ENDPOINT": hub.url},
            **({} if revision == "main" else {"revision": revision}),
        )
    require_rows(told, rows_of(shards_of(pile)), "shield")


def test_a_downloaded_pile_is_what_its_provenance_says(pile: Path, tmp_path: Path) -> None:
    with serve_hub(tmp_path / "hub") as hub:
        pushed = push(pile_in_folder(pile), HubTarget("lab/spikes", endpoint=hub.url))
        HfApi(endpoint=hub.url, token=False).snapshot_download(
            "lab/spikes", repo_type="dataset", revision=pushed.tag, local_dir=tmp_path / "copy"
        )
    assert list(verify_pile(tmp_path / "copy")) == []
    card = (tmp_path / "copy" / "README.md").read_text(encoding="utf-8")
    assert f'`load_dataset("lab/spikes", revision="{pushed.tag}")`' in card
    for picture in re.findall(r"!\[.*\]\((.*)\)", card):
        assert imread(tmp_path / "copy" / picture).shape[:2] == (300, 500)
    assert card.count("![") == 2


def groups_of(pile: Path) -> Iterator[tuple[Path, Any, list[str]]]:
    """Yield every row group: its shard, its metadata, and the sources of its rows."""
    for path in shards_of(pile):
        with pq.ParquetFile(path) as shard:
            for group in range(shard.num_row_groups):
                names = shard.read_row_group(group, columns=["source_dataset"])["source_dataset"]
                yield path, shard.metadata.row_group(group), names.to_pylist()


def spoil_counts_without(pile: Path, source: str) -> int:
    """Overwrite the counts of all row groups that hold no row of a source; return how many hold one."""
    groups = list(groups_of(pile))
    spoilt = [(path, group.column(0)) for path, group, names in groups if source not in names]
    for path, column in spoilt:
        data = bytearray(path.read_bytes())
        start = column.data_page_offset
        data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
        path.write_bytes(data)
    return len(groups) - len(spoilt)


def read_with_the_card(pile: Path, source: str) -> list[str]:
    """Run the card's program for one source, but for its last lines, which name another one."""
    card = (pile / "README.md").read_text(encoding="utf-8").replace("PATH", str(pile))
    program = programs(card)[-2].partition("\nfor matrix in")[0]
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - the card's own text
    return [signed(matrix) for matrix in names["matrices"](names["shards"], source)]


@pytest.mark.parametrize("source", [MIDDLE, END])
def test_of_one_source_only_the_row_groups_that_hold_it_are_read(shuffled: Path, source: str) -> None:
    rows = [row for row in rows_of(shards_of(shuffled)) if row["source_dataset"] == source]
    assert spoil_counts_without(shuffled, source) <= len(rows)
    with pytest.raises((pa.ArrowException, OSError)):
        pq.read_table(shuffled / "data")
    assert read_with_the_card(shuffled, source) == [signed(row["spike_counts"]) for row in rows]


def test_statistics_rule_out_what_lies_outside_the_names_of_a_row_group(shuffled: Path) -> None:
    column = pq.read_schema(shards_of(shuffled)[0]).get_field_index("source_dataset")
    for _, group, names in groups_of(shuffled):
        bounds = group.column(column).statistics
        assert (bounds.min, bounds.max) == (min(names), max(names))


def test_a_filter_alone_skips_only_by_statistics(shuffled: Path) -> None:
    expected = [row for row in rows_of(shards_of(shuffled)) if row["source_dataset"] == END]
    spoil_counts_without(shuffled, END)
    first = pq.read_table(shuffled / "data", filters=[("source_dataset", "=", END)])
    assert [np.array(row, dtype=np.uint8).tolist() for row in first["spike_counts"].to_pylist()] == [
        row["spike_counts"].tolist() for row in expected
    ]
    with pytest.raises((pa.ArrowException, OSError)):
        pq.read_table(shuffled / "data", filters=[("source_dataset", "=", MIDDLE)])
