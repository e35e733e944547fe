"""What a release freezes: which row goes into which shard and split, and where in it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.ledger.build_queries import LeftOut
from spikemill.services.common.ledger.releases import FrozenRelease
from spikemill.services.common.models import Build, SourceVersion
from spikemill.services.common.row_format import row_groups
from spikemill.services.common.types import (
    PlannedRow,
    PlannedShard,
    Row,
    RowGroup,
    SessionKey,
    SplitBy,
    SplitName,
    digest,
)

_DIGESTS = 2**256
_NAMES_IN_GROUP: dict[SplitBy, int] = {"subject": 2, "session": 3, "row": 4}
_NOT_BUILT = "it could not be built"
_SKIPPED = "skipped: "
AnyRow = TypeVar("AnyRow", bound=Row)
GroupKey = tuple[str, ...]


class SplitRule(StrEnum):
    """What decided the split in the end."""

    DIGEST = "digest"  # each group by its own digest
    SMALLEST_TESTS = "smallest group tests"  # no digest fell below the fraction
    LARGEST_TRAINS = "largest group trains"  # every digest fell below it
    NO_TEST = "no test"  # one group only, or a fraction of 0


class SplitFacts(BaseModel):
    """What the split came to; tokens are cells of the units x bins matrices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: SplitRule
    groups: int
    test_groups: int
    train_rows: int
    test_rows: int
    train_tokens: int
    test_tokens: int

    @property
    def rows(self) -> int:
        """The rows of both sides."""
        return self.train_rows + self.test_rows

    @property
    def tokens(self) -> int:
        """The tokens of both sides."""
        return self.train_tokens + self.test_tokens


@dataclass(frozen=True, slots=True)
class Split(Generic[AnyRow]):
    """The rows of both sides, each in the order in which they were given."""

    train: Sequence[AnyRow]
    test: Sequence[AnyRow]
    facts: SplitFacts


@dataclass(frozen=True, slots=True)
class MergePlan:
    """All files of a pile, train before test, and what the split came to."""

    shards: tuple[PlannedShard, ...]
    split: SplitFacts


def freeze_rows(
    build_digest: str,
    parameters: Mapping[str, Any],
    rows: Sequence[PlannedRow],
    missing: Sequence[LeftOut],
    texts: Mapping[str, Any],
) -> FrozenRelease:
    """Plan a release; the same rows, parameters, missing sessions and texts give the same digest."""
    plan = plan_pile(rows, stored_parameters(parameters))
    rows_digest = list_digest(rows)
    records = missing_records(missing)
    return FrozenRelease(
        digest=digest([build_digest, dict(parameters), rows_digest, records, dict(texts)]),
        list_digest=rows_digest,
        split=plan.split.model_dump(mode="json"),
        texts=texts,
        missing=records,
        shards=plan.shards,
    )


def stored_parameters(stored: Mapping[str, Any]) -> MergeParameters:
    """Read the parameters of a release, which also names the texts of its card."""
    return MergeParameters(**{key: stored[key] for key in MergeParameters.model_fields if key in stored})


def plan_pile(rows: Iterable[PlannedRow], parameters: MergeParameters) -> MergePlan:
    """Order the rows, divide them, and close a shard wherever a limit is reached.

    The same rows and parameters give the same plan, in whatever order the rows come. Raises
    `CatalogueError` where there is no row, or one row twice.
    """
    ordered = in_order(rows, parameters.seed)
    if not ordered:
        raise CatalogueError("There is no row to merge: every session was skipped, or none was selected.")
    split = divide(ordered, parameters)
    train = _shards("train", split.train, parameters)
    test = _shards("test", split.test, parameters)
    return MergePlan((*train, *test), split.facts)


def in_order(rows: Iterable[AnyRow], seed: int) -> list[AnyRow]:
    """Return the rows by ascending sha256 of `[seed, source, subject, session, segment]`.

    Raises `CatalogueError` where two rows have the same names: their order would be left to chance.
    """
    keyed = sorted(((row.sort_key(seed), row) for row in rows), key=lambda pair: pair[0])
    for (key, row), (next_key, _) in pairwise(keyed):
        if key == next_key:
            raise CatalogueError(
                f"Source {row.source} holds {row.segment} of session {row.session} of subject {row.subject} "
                "twice; give its sessions names that tell them apart (`group`, or narrower patterns)."
            )
    return [row for _, row in keyed]


def divide(rows: Sequence[AnyRow], parameters: MergeParameters) -> Split[AnyRow]:
    """Put every group of rows on one side.

    A group tests where its digest falls below the fraction. If none does, the group of fewest tokens
    tests (equal ones: the lower digest); if all do, the group of most tokens trains. A single group, or a
    fraction of 0, makes no test split.
    """
    keys = [group_key(row, parameters.split_by) for row in rows]
    tokens: Counter[GroupKey] = Counter()
    for key, row in zip(keys, rows, strict=True):
        tokens[key] += row.tokens
    testing, rule = _testing_groups(tokens, parameters)
    train = [row for key, row in zip(keys, rows, strict=True) if key not in testing]
    test = [row for key, row in zip(keys, rows, strict=True) if key in testing]
    facts = SplitFacts(
        rule=rule,
        groups=len(tokens),
        test_groups=len(testing),
        train_rows=len(train),
        test_rows=len(test),
        train_tokens=sum(row.tokens for row in train),
        test_tokens=sum(row.tokens for row in test),
    )
    return Split(train, test, facts)


def group_key(row: Row, split_by: SplitBy) -> GroupKey:
    """Return what must not be divided: `[source, subject, session, segment]`, or only its beginning."""
    return row.names[: _NAMES_IN_GROUP[split_by]]


def _testing_groups(
    tokens: Counter[GroupKey], parameters: MergeParameters
) -> tuple[set[GroupKey], SplitRule]:
    if len(tokens) <= 1 or parameters.test_fraction == 0:
        return set(), SplitRule.NO_TEST
    seed = parameters.seed
    below = {key for key in tokens if falls_below(key, seed, parameters.test_fraction)}
    by_size = sorted(tokens, key=lambda key: (tokens[key], _key_digest(key, seed)))
    if not below:
        return {by_size[0]}, SplitRule.SMALLEST_TESTS
    if len(below) == len(tokens):
        return below - {by_size[-1]}, SplitRule.LARGEST_TRAINS
    return below, SplitRule.DIGEST


def falls_below(key: GroupKey, seed: int, fraction: float) -> bool:
    """Tell whether the sha256 of `[seed, "test", key]` is below `fraction` x 2^256, without rounding."""
    numerator, denominator = fraction.as_integer_ratio()
    return int(_key_digest(key, seed), 16) * denominator < numerator * _DIGESTS


def _key_digest(key: GroupKey, seed: int) -> str:
    return digest([seed, "test", key])


def _shards(split: SplitName, rows: Sequence[PlannedRow], parameters: MergeParameters) -> list[PlannedShard]:
    contents = list(_filled(row_groups(rows), parameters))
    return [
        PlannedShard(f"data/{split}-{index:05d}-of-{len(contents):05d}.parquet", split, tuple(groups))
        for index, groups in enumerate(contents)
    ]


def _filled(groups: Iterable[RowGroup], parameters: MergeParameters) -> Iterator[list[RowGroup]]:
    """Yield the row groups of one shard after the other; a group above a limit gets a shard of its own."""
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


def list_digest(rows: Iterable[PlannedRow]) -> str:
    """Return the digest of a frozen list of rows: which rows, and from chunks of which bytes.

    Neither the order in which they are given nor any seed matters.
    """
    return entries_digest((row.session_key, row.segment, row.chunk_sha256) for row in rows)


def entries_digest(entries: Iterable[tuple[SessionKey, str, str]]) -> str:
    """Return the same digest from session, segment and chunk sha256 of each row."""
    return digest(sorted([*session, segment, sha256] for session, segment, sha256 in entries))


def missing_records(missing: Sequence[LeftOut]) -> list[dict[str, str]]:
    """Say of each missing session why: in words that are the same wherever the build runs.

    A person may skip a session for the very reason that it could not be built; that reads the same.
    """
    reasons = [session.skipped_because or _NOT_BUILT for session in missing]
    return [
        {
            "source": session.source,
            "path": session.file,
            "reason": _NOT_BUILT if reason == _NOT_BUILT else f"{_SKIPPED}{reason}",
        }
        for session, reason in zip(missing, reasons, strict=True)
    ]


def skip_reason_for(reason: str) -> str:
    """Return the reason to skip a session for, so that a release gives the reason of this record."""
    return reason.removeprefix(_SKIPPED)


def card_texts(build: Build, sources: Sequence[SourceVersion]) -> dict[str, Any]:
    """Return the card's texts on a pile and its sources, from their present catalogue entries."""
    return {
        "notes": build.notes or "",
        "sources": [source_from_record(source.config).describe() for source in sources],
    }
