"""The end of a release: each shard is read again row by row, and the small files are written."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.files import writing
from spikemill.services.common.models import Session, Shard
from spikemill.services.common.store import Store
from spikemill.services.common.types import PlannedRow, PlannedShard, SessionKey
from spikemill.services.merger.card import render_card
from spikemill.services.merger.provenance import CARD, PROVENANCE, Provenance, file_sha256, pile_file
from spikemill.services.merger.shards import DecodedRow, decoded_rows


class DamagedShardError(DamagedOutputError):
    """A shard is not what was planned; `shard` is its number in the ledger."""

    def __init__(self, shard: int, problem: str) -> None:
        """Say what is wrong with which shard."""
        super().__init__(problem)
        self.shard = shard


def audit_release(
    store: Store,
    release_digest: str,
    shards: Sequence[tuple[Shard, PlannedShard]],
    sessions: Sequence[Session],
) -> Iterator[str]:
    """Read every shard again and compare it with the ledger; yield the name of each that is in order.

    Raises DamagedShardError for a shard that is not what was planned, DamagedOutputError where the counts of
    a session are not those of the ledger.
    """
    by_key = {
        SessionKey(session.source_version.name, session.subject_id or "", session.session_id): session
        for session in sessions
    }
    n_units = {key: session.n_units or 0 for key, session in by_key.items()}
    counts: Counter[SessionKey] = Counter()
    for shard, planned in shards:
        try:
            with store.local(pile_file(release_digest, shard.name)) as path:
                counts.update(audit_shard(planned, path, shard.sha256 or "", n_units))
        except DamagedOutputError as error:
            raise DamagedShardError(shard.id, str(error)) from error
        yield shard.name
    _check_counts(by_key, counts)


def audit_shard(
    shard: PlannedShard, path: Path, sha256: str, n_units: Mapping[SessionKey, int]
) -> Counter[SessionKey]:
    """Compare a finished file with its plan: digest, schema, row groups, names, order and shapes.

    `n_units` says how many units each session has. Memory is bounded by a row group. Returns the sum of
    the counts in this shard per session, to be compared with the spikes of the ledger. Raises
    `DamagedOutputError` at the first difference.
    """
    found = file_sha256(path)
    if found != sha256:
        raise DamagedOutputError(
            f"{shard.name} was changed after it was written: its sha256 is {found}, not {sha256}"
        )
    counts: Counter[SessionKey] = Counter()
    places = ((index, row) for index, rows in enumerate(shard.row_groups) for row in rows)
    for position, (planned, stored) in enumerate(zip_longest(places, decoded_rows(path))):
        if planned is None or stored is None:
            raise DamagedOutputError(
                f"{shard.name} holds another number of rows than the {len(shard.rows)} planned"
            )
        row_group, row = planned
        _check_row(stored, row_group, row, n_units[row.session_key], f"{shard.name}, row {position}")
        counts[row.session_key] += stored.counts
    return counts


def _check_row(stored: DecodedRow, row_group: int, row: PlannedRow, n_units: int, place: str) -> None:
    if stored.names != row.names or stored.row_group != row_group:
        raise DamagedOutputError(
            f"{place} is {'/'.join(stored.names)} in row group {stored.row_group}, "
            f"planned was {'/'.join(row.names)} in row group {row_group}"
        )
    if (stored.n_units, stored.tokens) != (n_units, row.tokens):
        raise DamagedOutputError(
            f"{place}, copied from chunk {row.chunk}, holds {stored.n_units} units and {stored.tokens} "
            f"tokens, planned were {n_units} and {row.tokens}"
        )


def _check_counts(sessions: Mapping[SessionKey, Session], counts: Counter[SessionKey]) -> None:
    """Every spike that was counted is in the pile; a clipped cell lost at least one."""
    for key, session in sessions.items():
        spikes, clipped = session.spikes or 0, session.clipped_cells or 0
        lost = spikes - counts[key]
        if lost < clipped or (lost and not clipped):
            raise DamagedOutputError(
                f"Session {'/'.join(key)} has {counts[key]} spikes in the pile, {spikes} were counted."
            )


def write_metadata(store: Store, drafts: Path, release_digest: str, provenance: Provenance) -> str:
    """Write provenance and card beside the shards; return the sha256 of the provenance."""
    lines = provenance.to_bytes()
    sha256 = hashlib.sha256(lines).hexdigest()
    for name, content in (PROVENANCE, lines), (CARD, render_card(provenance, sha256).encode("utf-8")):
        draft, digest = drafts / name, hashlib.sha256(content).hexdigest()
        with writing(draft):
            draft.write_bytes(content)
        store.publish(draft, pile_file(release_digest, name), sha256=digest, size=len(content))
    return sha256
