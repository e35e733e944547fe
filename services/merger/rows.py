"""A row of the pile as the merger sees it, and the place that a seed gives it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

from services.common.errors import CatalogueError
from services.common.identity import digest, sort_key


class SessionKey(NamedTuple):
    """What the columns of the pile call a session."""

    source: str
    subject: str
    session: str


class Row(Protocol):
    """What order and split need to know of a row; `tokens` is units times bins."""

    @property
    def source(self) -> str:
        """The column `source_dataset`."""

    @property
    def subject(self) -> str:
        """The column `subject_id`."""

    @property
    def session(self) -> str:
        """The column `session_id`."""

    @property
    def segment(self) -> str:
        """The column `segment_id`."""

    @property
    def tokens(self) -> int:
        """Units times bins."""


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One segment of one session, and where its column pages stand.

    They are row group `row_group` of the chunk that the store calls `chunk` and take `compressed_bytes`
    bytes; the whole chunk has the sha256 `chunk_sha256`.
    """

    source: str
    subject: str
    session: str
    segment: str
    tokens: int
    compressed_bytes: int
    chunk: str
    row_group: int
    chunk_sha256: str


def session_of(row: Row) -> SessionKey:
    """Return the names of the session that a row is cut from."""
    return SessionKey(row.source, row.subject, row.session)


def in_order(rows: Iterable[AnyRow], seed: int) -> list[AnyRow]:
    """Return the rows by ascending sha256 of `[seed, source, subject, session, segment]`.

    Raises `CatalogueError` where two rows bear the same names: their order would be left to chance.
    """
    keyed = [(sort_key(seed, row.source, row.subject, row.session, row.segment), row) for row in rows]
    keyed.sort(key=lambda pair: pair[0])
    for (key, row), (next_key, _) in pairwise(keyed):
        if key == next_key:
            raise CatalogueError(
                f"Source {row.source} holds {row.segment} of session {row.session} of subject {row.subject} "
                "twice; give its sessions names that tell them apart (`group`, or narrower patterns)."
            )
    return [row for _, row in keyed]


def list_digest(rows: Iterable[PlannedRow]) -> str:
    """Return the digest of a frozen list of rows: which rows, and from chunks of which bytes.

    Neither the order in which they are given nor any seed matters.
    """
    return entries_digest((session_of(row), row.segment, row.chunk_sha256) for row in rows)


def entries_digest(entries: Iterable[tuple[SessionKey, str, str]]) -> str:
    """Return the same digest from session, segment and chunk sha256 of each row."""
    return digest(sorted([*session, segment, sha256] for session, segment, sha256 in entries))
