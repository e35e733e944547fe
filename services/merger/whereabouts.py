"""Where the rows of a pile stand, from its provenance alone: no shard is opened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from services.merger.provenance import Provenance, SessionRecord, ShardRecord
from services.merger.rows import in_order
from services.merger.split import divide


@dataclass(frozen=True, slots=True)
class _Row:
    """What order and split need to know of a row."""

    source: str
    subject: str
    session: str
    segment: str
    tokens: int


def sources_in_shards(provenance: Provenance) -> Mapping[ShardRecord, frozenset[str]]:
    """Return of which sources each shard holds rows."""
    parameters = provenance.pile.parameters
    rows = [row for session in provenance.sessions for row in _rows(session)]
    split = divide(in_order(rows, parameters.seed), parameters)
    rest = {"train": iter(split.train), "test": iter(split.test)}
    return {
        shard: frozenset(row.source for row in islice(rest[shard.split], shard.rows))
        for shard in provenance.pile.shards
    }


def _rows(session: SessionRecord) -> Iterator[_Row]:
    """Yield the rows that a session was cut into: equally long, but for the last."""
    length = -(-session.n_bins // session.rows)
    for index in range(session.rows):
        bins = min(length, session.n_bins - index * length)
        yield _Row(*session.key, f"segment_{index}", session.n_units * bins)
