"""The token ledger with its total."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from services.common.ledger.figures import TokenCount

TOTAL = "total"
COLUMNS = tuple(field.name for field in fields(TokenCount))
_COUNTED = tuple(name for name in COLUMNS[1:] if not name.startswith("expected_"))


def with_total(counts: Sequence[TokenCount]) -> list[TokenCount]:
    """Return the counts and their sum; of expected figures there is one where all sources have them."""
    counted = {name: sum(getattr(count, name) for count in counts) for name in _COUNTED}
    total = TokenCount(
        source=TOTAL,
        **counted,
        expected_sessions=_sum_if_all(count.expected_sessions for count in counts),
        expected_subjects=_sum_if_all(count.expected_subjects for count in counts),
        expected_tokens=_sum_if_all(count.expected_tokens for count in counts),
    )
    return [*counts, total]


def _sum_if_all(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if not known or None in known else sum(value for value in known if value is not None)
