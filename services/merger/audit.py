"""The last look at a shard before it counts: read as its users read it, row by row, against its plan."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from services.common.checksums import sha256_of
from services.common.errors import DamagedOutputError
from services.merger.plan import PlannedShard
from services.merger.reading import DecodedRow, decoded_rows
from services.merger.rows import PlannedRow, SessionKey, session_of


def audit_shard(
    shard: PlannedShard, path: Path, sha256: str, n_units: Mapping[SessionKey, int]
) -> Counter[SessionKey]:
    """Compare a finished file with its plan: digest, schema, row groups, names, order and shapes.

    `n_units` says how many units each session has. Memory is bounded by a row group. Returns the sum of
    the counts in this shard per session, to be held against the spikes of the ledger. Raises
    `DamagedOutputError` at the first difference.
    """
    _check_digest(shard, path, sha256)
    counts: Counter[SessionKey] = Counter()
    for position, (planned, stored) in enumerate(zip_longest(_places(shard), decoded_rows(path))):
        if planned is None or stored is None:
            raise DamagedOutputError(
                f"{shard.name} holds another number of rows than the {len(shard.rows)} planned"
            )
        row_group, row = planned
        _check_row(stored, row_group, row, n_units[session_of(row)], f"{shard.name}, row {position}")
        counts[session_of(row)] += stored.counts
    return counts


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file; raises `DamagedOutputError` where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise DamagedOutputError(f"{path} cannot be read: {error.strerror}") from error


def _check_digest(shard: PlannedShard, path: Path, sha256: str) -> None:
    found = file_sha256(path)
    if found != sha256:
        raise DamagedOutputError(
            f"{shard.name} was changed after it was written: its sha256 is {found}, not {sha256}"
        )


def _places(shard: PlannedShard) -> Iterator[tuple[int, PlannedRow]]:
    for index, rows in enumerate(shard.row_groups):
        for row in rows:
            yield index, row


def _check_row(stored: DecodedRow, row_group: int, row: PlannedRow, n_units: int, place: str) -> None:
    found = (stored.source, stored.subject, stored.session, stored.segment)
    planned = (row.source, row.subject, row.session, row.segment)
    if found != planned or stored.row_group != row_group:
        raise DamagedOutputError(
            f"{place} is {'/'.join(found)} in row group {stored.row_group}, "
            f"planned was {'/'.join(planned)} in row group {row_group}"
        )
    if (stored.n_units, stored.tokens) != (n_units, row.tokens):
        raise DamagedOutputError(
            f"{place}, copied from chunk {row.chunk}, holds {stored.n_units} units and {stored.tokens} "
            f"tokens, planned were {n_units} and {row.tokens}"
        )
