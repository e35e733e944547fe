"""provenance.jsonl: what a pile was made of and how, enough to check it and to build it again; its files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, field_validator

from spikemill.services.common.catalog.readers import estimating_readers
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import CallError, DamagedOutputError
from spikemill.services.common.files import sha256_of
from spikemill.services.common.models import Asset, Build, Release, Session, Shard
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.store import FolderStore, Store, UnreadableFileError
from spikemill.services.common.types import Row, SessionKey, SplitName
from spikemill.services.merger.plan import SplitFacts, divide, in_order, stored_parameters

_NAME_DIGITS = 16
PROVENANCE = "provenance.jsonl"
"""What the pile was made of, and how."""
CARD = "README.md"
"""The dataset card."""


class _Record(BaseModel):
    """Part of a line: no key but the known ones, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShardRecord(_Record):
    """One file of the pile."""

    name: str
    split: SplitName
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
        """What the pile's columns call the session."""
        return SessionKey(self.source, self.subject, self.session)

    @property
    def segments(self) -> list[str]:
        """What they call its rows."""
        return [f"segment_{index}" for index in range(self.rows)]


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
        contents = (
            each.model_dump(mode="json", exclude_none=True) for each in (self.pile, *sessions, *missing)
        )
        lines = (
            json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            for content in contents
        )
        return "".join(f"{line}\n" for line in lines).encode("utf-8")


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


def _parsed(line: bytes, number: int) -> _Line:
    try:
        return _LINES.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DamagedOutputError(
            f"{PROVENANCE}, line {number}, is not what was written there: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error


def release_name(provenance_sha256: str) -> str:
    """Return what a person calls the release with this provenance."""
    return provenance_sha256[:_NAME_DIGITS]


def release_tag(provenance_sha256: str) -> str:
    """Return the tag that marks it on the hub."""
    return f"release-{release_name(provenance_sha256)}"


def provenance_of(
    release: Release,
    build: Build,
    sessions: Sequence[Session],
    shards: Sequence[Shard],
) -> Provenance:
    """Return the provenance of a release whose shards are all written, with the texts that it froze."""
    texts = release.card_metadata or {}
    entries = {entry["name"]: entry for entry in texts["sources"]}
    return Provenance(
        pile=PileRecord(
            name=build.pile,
            notes=texts["notes"],
            format_id=FORMAT_ID,
            rows_digest=release.list_digest or "",
            parameters=stored_parameters(release.parameters),
            session_limit=build.session_limit,
            sources=tuple(texts["sources"]),
            split=SplitFacts(**(release.split or {})),
            shards=tuple(
                ShardRecord(
                    name=shard.name,
                    split=cast("SplitName", shard.split),
                    bytes=shard.bytes or 0,
                    sha256=shard.sha256 or "",
                    rows=shard.n_rows,
                    tokens=shard.tokens,
                )
                for shard in shards
            ),
        ),
        sessions=tuple(_session(session, entries[session.source_version.name]) for session in sessions),
        missing=tuple(MissingRecord(**missing) for missing in release.missing or []),
    )


def _session(session: Session, entry: Mapping[str, Any]) -> SessionRecord:
    version = entry.get("version")
    return SessionRecord(
        source=session.source_version.name,
        subject=session.subject_id or "",
        session=session.session_id,
        archive=session.source_version.archive,
        identifier=str(entry["identifier"]),
        version=None if version is None else str(version),
        assets=tuple(_asset(asset) for asset in session.assets),
        n_units=session.n_units or 0,
        n_bins=session.n_bins or 0,
        rows=len(session.rows),
        tokens=sum(row.tokens for row in session.rows),
        spikes=session.spikes or 0,
        clipped=session.clipped_cells or 0,
        left_out=session.dropped_spikes or 0,
        estimated=True if entry["reader"] in estimating_readers() else None,
        chunk_sha256=session.chunk_sha256 or "",
    )


def _asset(asset: Asset) -> AssetRecord:
    """Describe an asset by what its archive published; a folder publishes nothing, so its own sha256 does."""
    digests = dict(asset.digests) or ({"sha256": asset.sha256} if asset.sha256 else {})
    return AssetRecord(asset_id=asset.archive_asset_id, path=asset.path, size=asset.size, digests=digests)


class DamagedFileError(DamagedOutputError):
    """A file of a pile is not what it was; `name` is its name in the pile."""

    def __init__(self, name: str, problem: str) -> None:
        """Say what is wrong with which file."""
        super().__init__(problem)
        self.name = name


@dataclass(frozen=True)
class StoredPile:
    """A pile in a folder of a store, as `piles/<digest>`."""

    store: Store
    folder: str

    @cached_property
    def provenance(self) -> Provenance:
        """What it was made of, and how; raises `DamagedOutputError` where that cannot be read."""
        return parse_provenance(self._lines)

    @cached_property
    def provenance_sha256(self) -> str:
        """What identifies it: equal piles have equal provenances."""
        return sha256(self._lines).hexdigest()

    @cached_property
    def _lines(self) -> bytes:
        with self.local(PROVENANCE) as path:
            return path.read_bytes()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give one of its files as a file of this machine, for as long as the block lasts.

        Raises `DamagedFileError` where it is gone, or the block finds it damaged.
        """
        try:
            with self.store.local(str(PurePosixPath(self.folder, name))) as path:
                if not path.is_file():
                    raise UnreadableFileError(str(path), "is gone, or no file")
                yield path
        except DamagedFileError:
            raise
        except DamagedOutputError as error:
            raise DamagedFileError(name, str(error)) from error


def pile_in_folder(folder: Path) -> StoredPile:
    """Return the pile of a folder; raises `CallError` where there is none."""
    if not (folder / PROVENANCE).is_file():
        raise CallError(f"{folder} holds no pile; name the folder of one, the one that holds {PROVENANCE}.")
    return StoredPile(FolderStore(folder), ".")


def pile_digest(pile: Path) -> str:
    """Return the sha256 over the lines `name sha256` of all files of a pile, sorted by name.

    Raises `DamagedOutputError` where a file cannot be read.
    """
    names = sorted(path.relative_to(pile).as_posix() for path in pile.rglob("*") if path.is_file())
    lines = "".join(f"{name} {file_sha256(pile / name)}\n" for name in names)
    return sha256(lines.encode("utf-8")).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file; raises `DamagedOutputError` where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise DamagedOutputError(f"{path} cannot be read: {error.strerror}") from error


def pile_folder(release_digest: str) -> str:
    """Return the folder of a release in the store."""
    return f"piles/{release_digest}"


def pile_file(release_digest: str, name: str) -> str:
    """Return the name of a release's file in the store."""
    return f"{pile_folder(release_digest)}/{name}"


def sources_in_shards(provenance: Provenance) -> Mapping[ShardRecord, frozenset[str]]:
    """Return the sources whose rows each shard holds."""
    parameters = provenance.pile.parameters
    rows = [row for session in provenance.sessions for row in _rows(session)]
    split = divide(in_order(rows, parameters.seed), parameters)
    rest = {"train": iter(split.train), "test": iter(split.test)}
    return {
        shard: frozenset(row.source for row in islice(rest[shard.split], shard.rows))
        for shard in provenance.pile.shards
    }


def _rows(session: SessionRecord) -> Iterator[Row]:
    """Yield the rows that a session was cut into: equally long, but for the last."""
    length = -(-session.n_bins // session.rows)
    for index, segment in enumerate(session.segments):
        bins = min(length, session.n_bins - index * length)
        yield Row(*session.key, segment, session.n_units * bins)
