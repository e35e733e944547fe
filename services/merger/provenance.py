"""provenance.jsonl: what a pile was made of and how, enough to check it and to build it again.

The first line describes the pile (`"kind": "pile"`), then comes a line per session, then a line per session
that is missing. Nothing in it depends on when, where or by whom it was built.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, field_validator

from services.common.errors import DamagedOutputError
from services.merger.parameters import MergeParameters
from services.merger.pile_layout import PROVENANCE
from services.merger.rows import SessionKey
from services.merger.split import SplitFacts

_NAME_DIGITS = 16


class _Record(BaseModel):
    """Part of a line: no key but the known ones, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShardRecord(_Record):
    """One file of the pile."""

    name: str
    split: Literal["train", "test"]
    bytes: int
    sha256: str
    rows: int
    tokens: int


class PileRecord(_Record):
    """The first line: the call that made the pile, and what it came to.

    `sources` are the catalogue entries without addresses and local paths; `session_limit` is the number of
    sessions that were taken of each, if not all; `rows_digest` is `list_digest` of the rows.
    """

    kind: Literal["pile"] = "pile"
    name: str
    notes: str = ""
    format_id: str
    rows_digest: str
    parameters: MergeParameters
    session_limit: int | None = None
    sources: tuple[dict[str, JsonValue], ...]
    split: SplitFacts
    shards: tuple[ShardRecord, ...]

    @field_validator("sources")
    @classmethod
    def _by_name(cls, sources: tuple[dict[str, JsonValue], ...]) -> tuple[dict[str, JsonValue], ...]:
        """Order them by name: which came first in a catalogue leaves no trace in a pile."""
        return tuple(sorted(sources, key=lambda entry: str(entry["name"])))


class AssetRecord(_Record):
    """One file of an archive, as the archive lists it."""

    asset_id: str
    path: str
    size: int
    digests: dict[str, str]


class SessionRecord(_Record):
    """One session: where it came from and what it became.

    `spikes` were counted, `left_out` lay before the first bin or at no finite time; `clipped` is the number
    of cells that were above 255 and are kept at 255. If `estimated`, counts were made of rates: `left_out` is
    the number of cells that were no number and are 0, `clipped` also counts cells that were below 0.
    """

    kind: Literal["session"] = "session"
    source: str
    subject: str
    session: str
    archive: str
    identifier: str
    version: str | None = None
    assets: tuple[AssetRecord, ...]
    n_units: int
    n_bins: int
    rows: int
    tokens: int
    spikes: int
    clipped: int
    left_out: int
    estimated: Literal[True] | None = None
    chunk_sha256: str

    @property
    def key(self) -> SessionKey:
        """Return what the pile's columns call the session."""
        return SessionKey(self.source, self.subject, self.session)


class MissingRecord(_Record):
    """A session that the pile goes without; `path` is its asset's path or its group's name."""

    kind: Literal["missing"] = "missing"
    source: str
    path: str
    reason: str


_Line = PileRecord | SessionRecord | MissingRecord
_LINES: TypeAdapter[_Line] = TypeAdapter(Annotated[_Line, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Provenance:
    """All lines of a provenance.jsonl."""

    pile: PileRecord
    sessions: tuple[SessionRecord, ...]
    missing: tuple[MissingRecord, ...] = ()

    def to_bytes(self) -> bytes:
        """Serialise: sorted, the same bytes for the same records."""
        sessions = sorted(self.sessions, key=lambda record: record.key)
        missing = sorted(self.missing, key=lambda record: (record.source, record.path))
        return b"".join(_line(record) for record in (self.pile, *sessions, *missing))


def parse_provenance(data: bytes) -> Provenance:
    """Read what `Provenance.to_bytes` wrote; raises `DamagedOutputError` with the number of a bad line."""
    records = [_parsed(line, number) for number, line in enumerate(data.splitlines(), start=1)]
    piles = [record for record in records if isinstance(record, PileRecord)]
    if len(piles) != 1:
        raise DamagedOutputError(f"{PROVENANCE} has {len(piles)} lines of kind pile; there must be one")
    return Provenance(
        pile=piles[0],
        sessions=tuple(record for record in records if isinstance(record, SessionRecord)),
        missing=tuple(record for record in records if isinstance(record, MissingRecord)),
    )


def release_name(provenance_sha256: str) -> str:
    """Return what a person calls the release with this provenance."""
    return provenance_sha256[:_NAME_DIGITS]


def release_tag(provenance_sha256: str) -> str:
    """Return the tag that marks it on the hub."""
    return f"release-{release_name(provenance_sha256)}"


def _line(record: _Record) -> bytes:
    content = record.model_dump(mode="json", exclude_none=True)
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def _parsed(line: bytes, number: int) -> _Line:
    try:
        return _LINES.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DamagedOutputError(
            f"{PROVENANCE}, line {number}, is not what was written there: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
