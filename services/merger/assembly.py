"""The end of a release: its shards are read again, its papers written, and the pile switched to it."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.common.errors import DamagedOutputError
from services.common.models import Session, Shard
from services.common.storage import Store, store_errors
from services.merger.audit import audit_shard
from services.merger.card import render_card
from services.merger.pile_layout import CARD, PROVENANCE, pile_file
from services.merger.plan import PlannedShard
from services.merger.provenance import Provenance
from services.merger.rows import SessionKey


class DamagedShardError(DamagedOutputError):
    """A shard is not what was planned; `shard` is its number in the ledger."""

    def __init__(self, shard: int, problem: str) -> None:
        """Say what is wrong with which shard."""
        super().__init__(problem)
        self.shard = shard


class DamagedFileError(DamagedOutputError):
    """A file of a release that stands is not what it was; `name` is its name in the pile."""

    def __init__(self, name: str, problem: str) -> None:
        """Say what is wrong with which file."""
        super().__init__(problem)
        self.name = name


def audit_release(
    store: Store,
    release_digest: str,
    shards: Sequence[tuple[Shard, PlannedShard]],
    sessions: Sequence[Session],
) -> Iterator[str]:
    """Read every shard again and hold it against the ledger; yield the name of each that is in order.

    Raises DamagedShardError for a shard that is not what was planned, DamagedOutputError where the counts of
    a session are not those of the ledger.
    """
    by_key = {_key(session): session for session in sessions}
    n_units = {key: session.n_units or 0 for key, session in by_key.items()}
    counts: Counter[SessionKey] = Counter()
    for shard, planned in shards:
        with _blaming(shard), store.local(pile_file(release_digest, shard.name)) as path:
            counts.update(audit_shard(planned, path, shard.sha256 or "", n_units))
        yield shard.name
    _check_counts(by_key, counts)


@contextmanager
def _blaming(shard: Shard) -> Iterator[None]:
    try:
        yield
    except DamagedOutputError as error:
        raise DamagedShardError(shard.id, str(error)) from error


def _key(session: Session) -> SessionKey:
    return SessionKey(session.source_version.name, session.subject_id or "", session.session_id)


def _check_counts(sessions: Mapping[SessionKey, Session], counts: Counter[SessionKey]) -> None:
    """Every spike that was counted is in the pile; a clipped cell lost at least one."""
    for key, session in sessions.items():
        spikes, clipped = session.spikes or 0, session.clipped or 0
        lost = spikes - counts[key]
        if lost < clipped or (lost and not clipped):
            raise DamagedOutputError(
                f"Session {'/'.join(key)} has {counts[key]} spikes in the pile, {spikes} were counted."
            )


def write_papers(store: Store, drafts: Path, release_digest: str, provenance: Provenance) -> str:
    """Write provenance and card beside the shards; return the sha256 of the provenance."""
    lines = provenance.to_bytes()
    sha256 = hashlib.sha256(lines).hexdigest()
    papers = {PROVENANCE: lines, CARD: render_card(provenance, sha256).encode("utf-8")}
    for name, content in papers.items():
        draft = drafts / name
        with store_errors(draft):
            draft.write_bytes(content)
        store.publish(
            draft,
            pile_file(release_digest, name),
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
    return sha256
