"""The types that travel from an archive's listing to the ledger and the pile, and their digests.

Digests are of canonical JSON, never of joined strings.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SplitName = Literal["train", "test"]
SplitBy = Literal["session", "subject", "row"]
"""What is never divided between train and test."""
FILE_NAME_DIGITS = 20
CHUNK_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """One file in an archive, as its listing describes it.

    `digests` maps an algorithm (`sha256`, `dandi-etag`, `md5`) to its hex value. `has_units` is None where
    the archive does not say what a file holds.
    """

    asset_id: str
    path: str
    size: int
    digests: Mapping[str, str] = field(default_factory=dict)
    has_units: bool | None = None


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """A session as the listing shows it, with its assets in path order.

    `key` is unique in its source: the asset's path, or the group's name. `subject_id` is None where the
    path does not contain it; then the file may. All three are in NFC.
    """

    key: str
    session_id: str
    subject_id: str | None
    assets: Sequence[Asset] = ()


@dataclass(frozen=True, slots=True)
class SessionNames:
    """The text columns of a session's rows; the subject is None where the path has none."""

    source: str
    subject_id: str | None
    session_id: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One row of a session's chunk: `bins` bins from `first_bin` on. Its index is that of its row group."""

    index: int
    first_bin: int
    bins: int
    tokens: int
    compressed_bytes: int


@dataclass(frozen=True, slots=True)
class BinnedSession:
    """A session's chunk, and what was counted into it.

    `clipped` cells were kept at 255; `left_out` spikes are in no bin, or that many cells had no number.
    """

    subject_id: str
    n_units: int
    n_bins: int
    spikes: int
    clipped: int
    left_out: int
    rows: Sequence[SessionRow]
    chunk_bytes: int
    chunk_sha256: str

    @property
    def tokens(self) -> int:
        """The number of cells, one per unit and bin."""
        return self.n_units * self.n_bins


class SessionKey(NamedTuple):
    """What the columns of the pile call a session."""

    source: str
    subject: str
    session: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the pile: what its text columns say, and its tokens (units times bins)."""

    source: str
    subject: str
    session: str
    segment: str
    tokens: int

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What the text columns say."""
        return self.source, self.subject, self.session, self.segment

    @property
    def session_key(self) -> SessionKey:
        """The session that the row is cut from."""
        return SessionKey(self.source, self.subject, self.session)

    def sort_key(self, seed: int) -> str:
        """Return its place in the pile's order, which shuffles all sources without any global state."""
        return digest([seed, *self.names])


@dataclass(frozen=True, slots=True)
class PlannedRow(Row):
    """A row whose column pages stand in a chunk.

    They are row group `row_group` of the chunk that the store calls `chunk` and take `compressed_bytes`
    bytes; the whole chunk has the sha256 `chunk_sha256`. `row_id` is its number in the ledger.
    """

    compressed_bytes: int
    chunk: str
    row_group: int
    chunk_sha256: str
    row_id: int = field(default=0, compare=False)


RowGroup = tuple[PlannedRow, ...]


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """One Parquet file: its name in the pile, its split, and its row groups in order."""

    name: str
    split: SplitName
    row_groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> tuple[PlannedRow, ...]:
        """The rows of all row groups, in order."""
        return tuple(row for group in self.row_groups for row in group)

    @property
    def tokens(self) -> int:
        """The tokens of all rows."""
        return sum(row.tokens for row in self.rows)


def _normalised(value: Any) -> Any:
    """Return the value with every string in NFC, so that equal texts are equal bytes."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_normalised(key): _normalised(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalised(item) for item in value]
    return value


def canonical_json(value: Any) -> bytes:
    """Serialise as compact UTF-8 JSON with sorted keys and NFC strings."""
    text = json.dumps(_normalised(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def digest(value: Any) -> str:
    """Return the sha256 (hex) of the value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def session_identity(source_version: str, key: str) -> str:
    """Return the identity of a session: its source version and its asset path, or its group's name."""
    return digest([source_version, key])


def chunk_name(source: str, identity: str, sha256: str) -> str:
    """Return the name of a session's chunk in the store, made of its identity and its content's sha256."""
    return f"chunks/{source}/{identity[:FILE_NAME_DIGITS]}.{sha256[:CHUNK_DIGITS]}.parquet"
