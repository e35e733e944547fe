"""What a pile holds against what its provenance says: pure, on rows that were read."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.common.data_format import ROWS_PER_GROUP
from services.common.identity import sort_key
from services.merger.pile_layout import PROVENANCE
from services.merger.provenance import Provenance, SessionRecord, ShardRecord
from services.merger.reading import DecodedRow
from services.merger.rows import SessionKey, entries_digest, session_of
from services.merger.split import divide


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, and in which file of the pile."""

    file: str
    text: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.file}: {self.text}"


Contents = Mapping[ShardRecord, Sequence[DecodedRow]]
"""The rows of each shard, in the order of the pile."""


def compare_shard(
    shard: ShardRecord, rows: Sequence[DecodedRow], seed: int, *, last: bool
) -> Iterator[Finding]:
    """Check one shard by itself; `last` tells whether it is the last one of its split."""
    found = (len(rows), sum(row.tokens for row in rows))
    if found != (shard.rows, shard.tokens):
        yield Finding(
            shard.name,
            f"holds {found[0]} rows and {found[1]} tokens, recorded are {shard.rows} and {shard.tokens}",
        )
    yield from _row_groups(shard, rows, last=last)
    yield from _order([(shard, row) for row in rows], seed)


def compare_pile(provenance: Provenance, contents: Contents) -> Iterator[Finding]:
    """Check the pile as a whole, once every shard of it could be read."""
    rows = [row for shard_rows in contents.values() for row in shard_rows]
    yield from _rows_of_sessions(provenance.sessions, rows)
    yield from _sessions(provenance.sessions, rows)
    yield from _shard_borders(contents, provenance.pile.parameters.seed)
    yield from _split(provenance, contents, rows)
    yield from _rows_digest(provenance)


def _row_groups(shard: ShardRecord, rows: Iterable[DecodedRow], *, last: bool) -> Iterator[Finding]:
    sizes = Counter(row.row_group for row in rows)
    final = max(sizes, default=0)
    for group, size in sorted(sizes.items()):
        if size != ROWS_PER_GROUP and not (last and group == final and size < ROWS_PER_GROUP):
            yield Finding(shard.name, f"row group {group} holds {size} rows, not {ROWS_PER_GROUP}")


def _order(places: Sequence[tuple[ShardRecord, DecodedRow]], seed: int) -> Iterator[Finding]:
    """Report the first row that stands before one that it should follow."""
    keys = [sort_key(seed, row.source, row.subject, row.session, row.segment) for _, row in places]
    for position, (key, next_key) in enumerate(pairwise(keys)):
        if key > next_key:
            shard, row = places[position + 1]
            yield Finding(shard.name, f"{_name(row)} stands at the wrong place: rows were swapped or moved")
            return


def _shard_borders(contents: Contents, seed: int) -> Iterator[Finding]:
    ends = [(shard, rows[place]) for shard, rows in contents.items() if rows for place in (0, -1)]
    for split in ("train", "test"):
        yield from _order([(shard, row) for shard, row in ends if shard.split == split], seed)


def _rows_of_sessions(sessions: Iterable[SessionRecord], rows: Iterable[DecodedRow]) -> Iterator[Finding]:
    expected = Counter(
        (record.key, f"segment_{index}") for record in sessions for index in range(record.rows)
    )
    found = Counter((session_of(row), row.segment) for row in rows)
    for text, difference in (
        ("is missing", expected - found),
        ("should not be there, or not twice", found - expected),
    ):
        for (session, segment), _ in sorted(difference.items()):
            yield Finding("data", f"{'/'.join(session)}/{segment} {text}")


def _sessions(sessions: Iterable[SessionRecord], rows: Iterable[DecodedRow]) -> Iterator[Finding]:
    by_session: dict[SessionKey, list[DecodedRow]] = defaultdict(list)
    for row in rows:
        by_session[session_of(row)].append(row)
    for record in sessions:
        problem = _session_problem(record, by_session[record.key])
        if problem:
            yield Finding(PROVENANCE, f"session {'/'.join(record.key)}: {problem}")


def _session_problem(record: SessionRecord, rows: Sequence[DecodedRow]) -> str | None:
    """Compare shape and sum; of clipped cells only the least that they lost is known."""
    found = ({row.n_units for row in rows}, sum(row.n_bins for row in rows), sum(row.tokens for row in rows))
    if found != ({record.n_units}, record.n_bins, record.tokens):
        return (
            f"its rows hold {sorted(found[0])} units, {found[1]} bins and {found[2]} tokens, "
            f"recorded are {record.n_units}, {record.n_bins} and {record.tokens}"
        )
    counts = sum(row.counts for row in rows)
    if counts > record.spikes - record.clipped or (not record.clipped and counts != record.spikes):
        return f"its cells count {counts} spikes, recorded are {record.spikes}, {record.clipped} clipped"
    return None


def _split(provenance: Provenance, contents: Contents, rows: Sequence[DecodedRow]) -> Iterator[Finding]:
    """Decide the split again, and report rows on the wrong side."""
    split = divide(rows, provenance.pile.parameters)
    testing = set(split.test)
    for shard, shard_rows in contents.items():
        wrong = [row for row in shard_rows if (row in testing) != (shard.split == "test")]
        if wrong:
            yield Finding(
                shard.name, f"{_name(wrong[0])} belongs into the other split ({len(wrong)} such rows)"
            )
    if split.facts != provenance.pile.split:
        yield Finding(PROVENANCE, "the recorded split is not what the rows come to")


def _rows_digest(provenance: Provenance) -> Iterator[Finding]:
    entries = (
        (record.key, f"segment_{index}", record.chunk_sha256)
        for record in provenance.sessions
        for index in range(record.rows)
    )
    if entries_digest(entries) != provenance.pile.rows_digest:
        yield Finding(PROVENANCE, "sessions, their rows or their chunks are not those that were merged")


def _name(row: DecodedRow) -> str:
    return f"{row.source}/{row.subject}/{row.session}/{row.segment}"
