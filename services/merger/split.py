"""Which rows train and which test: decided by digests, so that a group never changes sides."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic

from pydantic import BaseModel, ConfigDict

from services.common.identity import SplitBy, digest
from services.merger.parameters import MergeParameters
from services.merger.rows import AnyRow, Row

_DIGESTS = 2**256

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
    def row_fraction(self) -> float:
        """The part of all rows that test."""
        return self.test_rows / (self.train_rows + self.test_rows)

    @property
    def token_fraction(self) -> float:
        """The part of all tokens that test."""
        return self.test_tokens / (self.train_tokens + self.test_tokens)


@dataclass(frozen=True, slots=True)
class Split(Generic[AnyRow]):
    """The rows of both sides, each in the order in which they were given."""

    train: Sequence[AnyRow]
    test: Sequence[AnyRow]
    facts: SplitFacts


def group_key(row: Row, split_by: SplitBy) -> GroupKey:
    """Return what must not be divided.

    That is `[source, subject, session]` for "session", `[source, subject]` for "subject" and
    `[source, subject, session, segment]` for "row".
    """
    whole = (row.source, row.subject, row.session, row.segment)
    return whole[: {"subject": 2, "session": 3, "row": 4}[split_by]]


def falls_below(key: GroupKey, seed: int, fraction: float) -> bool:
    """Tell whether the sha256 of `[seed, "test", key]` is below `fraction` x 2^256, without rounding."""
    numerator, denominator = fraction.as_integer_ratio()
    return int(_key_digest(key, seed), 16) * denominator < numerator * _DIGESTS


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


def _key_digest(key: GroupKey, seed: int) -> str:
    return digest([seed, "test", key])
