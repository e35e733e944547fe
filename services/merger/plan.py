"""Which row goes into which file of the pile, and where in it: values in, values out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from services.common.data_format import ROWS_PER_GROUP
from services.common.errors import CatalogueError
from services.merger.parameters import MergeParameters
from services.merger.rows import PlannedRow, in_order
from services.merger.split import SplitFacts, divide

SplitName = Literal["train", "test"]
RowGroup = tuple[PlannedRow, ...]


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """One Parquet file: its name in the pile, its split, and its row groups in order."""

    name: str
    split: SplitName
    row_groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> tuple[PlannedRow, ...]:
        """The rows of all row groups, in order."""
        return tuple(row for group in self.row_groups for row in group)

    @property
    def tokens(self) -> int:
        """The tokens of all rows."""
        return sum(row.tokens for row in self.rows)


@dataclass(frozen=True, slots=True)
class MergePlan:
    """All files of a pile, train before test, and what the split came to."""

    shards: tuple[PlannedShard, ...]
    split: SplitFacts


def plan_pile(rows: Iterable[PlannedRow], parameters: MergeParameters) -> MergePlan:
    """Order the rows, divide them, and close a shard wherever a limit is reached.

    The same rows and parameters give the same plan, in whatever order the rows come. Raises
    `CatalogueError` where there is no row, or one row twice.
    """
    ordered = in_order(rows, parameters.seed)
    if not ordered:
        raise CatalogueError("There is no row to merge: every session was waived, or none was selected.")
    split = divide(ordered, parameters)
    train = _shards("train", split.train, parameters)
    test = _shards("test", split.test, parameters)
    return MergePlan((*train, *test), split.facts)


def _shards(split: SplitName, rows: Sequence[PlannedRow], parameters: MergeParameters) -> list[PlannedShard]:
    contents = list(_filled(row_groups(rows), parameters))
    return [
        PlannedShard(f"data/{split}-{index:05d}-of-{len(contents):05d}.parquet", split, tuple(groups))
        for index, groups in enumerate(contents)
    ]


def row_groups(rows: Sequence[PlannedRow]) -> Iterator[RowGroup]:
    """Yield the rows in groups of five; the last may be smaller."""
    for start in range(0, len(rows), ROWS_PER_GROUP):
        yield tuple(rows[start : start + ROWS_PER_GROUP])


def _filled(groups: Iterable[RowGroup], parameters: MergeParameters) -> Iterator[list[RowGroup]]:
    """Yield the row groups of one shard after the other; a group above a limit stands alone."""
    shard: list[RowGroup] = []
    size = tokens = 0
    for group in groups:
        group_size = sum(row.compressed_bytes for row in group)
        group_tokens = sum(row.tokens for row in group)
        full = size + group_size > parameters.shard_bytes or tokens + group_tokens > parameters.shard_tokens
        if shard and full:
            yield shard
            shard, size, tokens = [], 0, 0
        shard.append(group)
        size, tokens = size + group_size, tokens + group_tokens
    if shard:
        yield shard
