"""A session's chunk: counted into a draft, published in the store, and told to the ledger."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.binner.readers import RecordingFile
from services.binner.session import BinnedSession, ReaderSettings, SessionNames, bin_session
from services.common.catalogue import source_from_record
from services.common.identity import chunk_name
from services.common.ledger.claims import Claim
from services.common.ledger.recordings import RowFacts, SessionFacts
from services.common.models import Session, SourceVersion
from services.common.storage import open_store


@dataclass(frozen=True, slots=True)
class SessionChunk:
    """A chunk that stands in the store, and what was counted into it."""

    name: str
    binned: BinnedSession

    @property
    def output(self) -> Mapping[str, Any]:
        """What the job says that it made."""
        return {"rows": len(self.binned.rows), "tokens": self.binned.tokens, "bytes": self.binned.bytes}

    @property
    def facts(self) -> SessionFacts:
        """What the ledger keeps of it."""
        return SessionFacts(
            subject_id=self.binned.subject_id,
            n_units=self.binned.n_units,
            n_bins=self.binned.n_bins,
            spikes=self.binned.spikes,
            clipped=self.binned.clipped,
            left_out=self.binned.left_out,
            chunk=self.name,
            chunk_sha256=self.binned.sha256,
            chunk_bytes=self.binned.bytes,
            rows=[RowFacts(row_group=row.index, **asdict(row)) for row in self.binned.rows],
        )


def _nothing() -> None:
    """Have nothing to check."""


def make_chunk(
    claim: Claim, session: Session, files: Sequence[RecordingFile], check: Callable[[], None] = _nothing
) -> SessionChunk:
    """Count a session's files, in path order, into a chunk of the store.

    `check` comes between: what it raises leaves nothing in the store.
    """
    source = session.source_version
    store = open_store()
    with store.draft(f"{claim.job}.{claim.attempt}") as drafts:
        draft = drafts / "chunk.parquet"
        names = SessionNames(source.name, session.subject_id, session.session_id)
        binned = bin_session(files, _reader_settings(source), names, draft)
        check()
        name = chunk_name(source.name, session.identity, binned.sha256)
        store.publish(draft, name, sha256=binned.sha256, size=binned.bytes)
    return SessionChunk(name, binned)


def _reader_settings(source: SourceVersion) -> ReaderSettings:
    entry = source_from_record(source.entry)
    return ReaderSettings(
        reader=entry.reader,
        bin_size=entry.bin_size,
        origin=entry.origin,
        max_hours=entry.max_hours,
        reader_options=entry.reader_options,
    )
