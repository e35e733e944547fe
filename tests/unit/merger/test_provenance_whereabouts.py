"""Where rows stand is known from provenance alone."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.merger.plan import SplitRule
from spikemill.services.merger.provenance import sources_in_shards
from tests.unit.merger.generated_piles import SMALL_SHARDS, GeneratedSession, write_pile


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        (SMALL_SHARDS, SplitRule.DIGEST),
        (SMALL_SHARDS.model_copy(update={"split_by": "row"}), SplitRule.DIGEST),
        (MergeParameters(seed=1, test_fraction=0.001, shard_bytes=4_000), SplitRule.SMALLEST_TESTS),
        (MergeParameters(seed=1, test_fraction=0.999, shard_bytes=4_000), SplitRule.LARGEST_TRAINS),
        (MergeParameters(seed=1, test_fraction=0, shard_bytes=2_000), SplitRule.NO_TEST),
    ],
)
def test_each_shard_holds_rows_of_the_sources_that_it_should(
    sessions: list[GeneratedSession], tmp_path: Path, parameters: MergeParameters, rule: SplitRule
) -> None:
    pile = tmp_path / "another"
    provenance = write_pile(pile, sessions, parameters)
    assert provenance.pile.split.rule is rule
    held = sources_in_shards(provenance)
    assert {shard.name: set(sources) for shard, sources in held.items()} == {
        shard.name: set(pq.read_table(pile / shard.name)["source_dataset"].to_pylist())
        for shard in provenance.pile.shards
    }
    assert len(held) > 1
