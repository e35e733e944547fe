"""verify: silent on a sound pile, and a clear line for each way to spoil one."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from spikemill.services.common.errors import CallError
from spikemill.services.merger.plan import MergePlan, plan_pile
from spikemill.services.merger.provenance import parse_provenance
from spikemill.services.merger.verify import verify_pile
from tests.unit.merger.generated_piles import (
    SMALL_SHARDS,
    GeneratedSession,
    planned_rows,
    write_metadata,
    write_pile,
    write_planned,
)

pytestmark = pytest.mark.slow


def findings(pile: Path) -> list[str]:
    return [str(finding) for finding in verify_pile(pile)]


def shard_of(pile: Path) -> Path:
    return min((pile / "data").glob("test-*"))


def flip_a_byte_of_a_page(pile: Path) -> str:
    flip(shard_of(pile), 100)
    return "data/test-00000-of-00002.parquet: was changed: its sha256 is"


def flip_a_byte_of_a_footer(pile: Path) -> str:
    flip(shard_of(pile), -2000)
    return "data/test-00000-of-00002.parquet: was changed: its sha256 is"


def cut_a_shard(pile: Path) -> str:
    path = shard_of(pile)
    path.write_bytes(path.read_bytes()[:-1])
    return "data/test-00000-of-00002.parquet: was changed: its sha256 is"


def remove_a_shard(pile: Path) -> str:
    shard_of(pile).unlink()
    return "test-00000-of-00002.parquet cannot be read: No such file"


def add_a_shard(pile: Path) -> str:
    (pile / "data" / "train-00009-of-00009.parquet").write_bytes(shard_of(pile).read_bytes())
    return "data/train-00009-of-00009.parquet: does not belong to this pile"


def add_orders_for_readers(pile: Path) -> str:
    orders = "configs: [{config_name: default, data_files: https://example.org/rows.parquet}]\n"
    (pile / ".huggingface.yaml").write_text(orders)
    return ".huggingface.yaml: does not belong to this pile, but its readers would follow it"


def add_a_program_for_readers(pile: Path) -> str:
    (pile / "pile.py").write_text("raise SystemExit\n")
    return "pile.py: does not belong to this pile, but its readers would follow it"


def edit_a_session(pile: Path) -> str:
    edit(pile / "provenance.jsonl", '"path":"ses-1.nwb"', '"path":"ses-7.nwb"')
    return "provenance.jsonl: was changed after the merge"


def edit_the_pile_line(pile: Path) -> str:
    edit(pile / "provenance.jsonl", '"test_rows":27', '"test_rows":28')
    return "provenance.jsonl: was changed after the merge"


def break_a_line(pile: Path) -> str:
    edit(pile / "provenance.jsonl", '"n_units":3', '"n_units":null')
    return "provenance.jsonl: provenance.jsonl, line 2, is not what was written"


def remove_provenance(pile: Path) -> str:
    (pile / "provenance.jsonl").unlink()
    return "provenance.jsonl: cannot be read (No such file or directory)"


def edit_the_card(pile: Path) -> str:
    edit(pile / "README.md", "num_examples: 6", "num_examples: 7")
    return "README.md: its head was changed"


def remove_the_card(pile: Path) -> str:
    (pile / "README.md").unlink()
    return "README.md: cannot be read"


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 4
    path.write_bytes(data)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_sound_pile_has_no_findings(pile: Path) -> None:
    assert findings(pile) == []


@pytest.mark.parametrize(
    "spoil",
    [
        flip_a_byte_of_a_page,
        flip_a_byte_of_a_footer,
        cut_a_shard,
        remove_a_shard,
        add_a_shard,
        add_orders_for_readers,
        add_a_program_for_readers,
        edit_a_session,
        edit_the_pile_line,
        break_a_line,
        remove_provenance,
        edit_the_card,
        remove_the_card,
    ],
)
def test_what_was_spoiled_is_named(pile: Path, spoil: Callable[[Path], str]) -> None:
    expected = spoil(pile)
    assert any(expected in finding for finding in findings(pile)), findings(pile)


def test_no_pile_is_no_call(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="is no folder"):
        list(verify_pile(tmp_path / "nothing"))


Change = Callable[[MergePlan], MergePlan]


def swap_two_rows(plan: MergePlan) -> MergePlan:
    (a, *first), (b, *second), *others = plan.shards[1].row_groups
    groups = ((b, *first), (a, *second), *others)
    return replace(plan, shards=(plan.shards[0], replace(plan.shards[1], row_groups=groups), plan.shards[2]))


def swap_two_shards(plan: MergePlan) -> MergePlan:
    train, first, second = plan.shards
    swapped = (replace(first, row_groups=second.row_groups), replace(second, row_groups=first.row_groups))
    return replace(plan, shards=(train, *swapped))


def join_two_row_groups(plan: MergePlan) -> MergePlan:
    first, second, *others = plan.shards[1].row_groups
    joined = replace(plan.shards[1], row_groups=((*first, *second), *others))
    return replace(plan, shards=(plan.shards[0], joined, plan.shards[2]))


def drop_a_row_group(plan: MergePlan) -> MergePlan:
    shorter = replace(plan.shards[2], row_groups=plan.shards[2].row_groups[1:])
    return replace(plan, shards=(*plan.shards[:2], shorter))


def split_by_row(plan: MergePlan) -> MergePlan:
    rows = [row for shard in plan.shards for row in shard.rows]
    return plan_pile(rows, SMALL_SHARDS.model_copy(update={"split_by": "row"}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (swap_two_rows, "is in the wrong place"),
        (swap_two_shards, "data/test-00001-of-00002.parquet: .* is in the wrong place"),
        (join_two_row_groups, "row group 0 holds 10 rows, not 5"),
        (drop_a_row_group, "data: .* is missing"),
        (split_by_row, "belongs to the other split"),
    ],
)
def test_a_pile_that_was_planned_otherwise_is_found_though_every_digest_fits(
    tmp_path: Path, sessions: list[GeneratedSession], change: Change, expected: str
) -> None:
    plan = change(plan_pile(planned_rows(sessions), SMALL_SHARDS))
    write_planned(tmp_path / "pile", sessions, SMALL_SHARDS, plan)
    found = findings(tmp_path / "pile")
    assert any(re.search(expected, finding) for finding in found), found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"n_units": 4}, "session shield/sub-0/ses-0: its rows hold [3] units"),
        ({"n_bins": 4}, "session shield/sub-0/ses-0: its rows hold [3] units, 351 bins"),
        ({"spikes": 4}, "its cells count 198 spikes, recorded are 4"),
        ({"clipped": 1}, "its cells count 198 spikes, recorded are 198, 1 clipped"),
        ({"rows": 6}, "data: shield/sub-0/ses-0/segment_5 is missing"),
        ({"rows": 4}, "data: shield/sub-0/ses-0/segment_4 should not be there"),
        ({"chunk_sha256": "0" * 64}, "their rows or their chunks are not those that were merged"),
    ],
)
def test_a_record_that_does_not_fit_is_found_though_the_card_names_it(
    pile: Path, change: dict[str, object], expected: str
) -> None:
    provenance = parse_provenance((pile / "provenance.jsonl").read_bytes())
    first, *others = provenance.sessions
    write_metadata(pile, replace(provenance, sessions=(first.model_copy(update=change), *others)))
    found = findings(pile)
    assert any(expected in finding for finding in found), found


def test_spikes_that_clipping_lost_are_no_finding(pile: Path) -> None:
    provenance = parse_provenance((pile / "provenance.jsonl").read_bytes())
    first, *others = provenance.sessions
    clipped = first.model_copy(update={"spikes": first.spikes + 9, "clipped": 2})
    write_metadata(pile, replace(provenance, sessions=(clipped, *others)))
    assert findings(pile) == []


def test_every_split_by_verifies(tmp_path: Path, sessions: list[GeneratedSession]) -> None:
    for split_by in ("session", "subject", "row"):
        parameters = SMALL_SHARDS.model_copy(update={"split_by": split_by, "test_fraction": 1e-9})
        write_pile(tmp_path / split_by, sessions, parameters)
        assert findings(tmp_path / split_by) == []
