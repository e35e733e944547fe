"""Every key of a catalogue: the pile's, and those of a source in each kind of archive."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticKnownError

from spikemill.services.common.catalog.readers import (
    ReaderName,
    estimating_readers,
    require_options,
    whole_file_readers,
)
from spikemill.services.common.catalog.tables import (
    ApiAddress,
    Expectation,
    Name,
    Patterns,
    Pile,
    Table,
    Text,
)
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import Settings

FOUND_NAMES = {"group": "session", "subject": "subject"}
"""What each regular expression finds in a path; its group may have this name."""
_TRACELESS = {"api", "default", "differs", "expect", "fetch", "pin_seen", "proven_on", "unproven"}
"""Keys that provenance leaves out: where the bytes were, how they were fetched, notes on the entry."""
DRAFT = "draft"


class SourceTable(Table):
    """The keys that every source has."""

    if TYPE_CHECKING:  # each archive's table says what these may be
        archive: str
        identifier: str
        species: str
        redistributable: bool

    name: Name = Field(
        description="what the source is called, as a file name: lower-case letters, digits, - and _"
    )
    include: Patterns = Field(
        ("**/*.nwb",), min_length=1, description='patterns on the whole path: include = ["sub-*/*.nwb"]'
    )
    exclude: Patterns = Field((), description='patterns of paths to leave out: exclude = ["**/*_image.nwb"]')
    group: str | None = Field(
        None,
        description="a regular expression that finds a session's name in the path, by its one "
        "parenthesis, else by the whole match; assets with the same name are one session",
    )
    subject: str | None = Field(
        None,
        description="a regular expression that finds a subject's name in the path, by its one "
        "parenthesis, else by the whole match; absent, the folder that holds the asset",
    )
    reader: ReaderName = Field("nwb-units", description="how the files are read")
    reader_options: dict[str, JsonValue] = Field({}, description="a table of the reader's own options")
    fetch: Literal["copy", "stream", "stream-or-copy"] = Field(
        "copy",
        description='how the bytes come here: "copy" takes whole files and checks their digest, "stream" '
        'only what is needed of them, "stream-or-copy" whole files where the server gives no parts',
    )
    bin_size: float = Field(
        0.02, gt=0, lt=10, description="the width of a bin in seconds, so 20 ms is bin_size = 0.02"
    )
    origin: Literal["zero", "first-spike"] = Field(
        "zero", description="where the first bin starts: at time zero of the file, or at the first spike"
    )
    max_hours: float = Field(48.0, gt=0, description="the longest recording to believe, in hours")
    expect: Expectation | None = Field(
        None, description="published figures: expect = { sessions = 32, subjects = 32, tokens = 1_000_000 }"
    )
    differs: Text | None = Field(
        None, description="why the selection has other figures than those published, where that is known"
    )
    default: bool = Field(default=True, description="false takes the source only where it is named")
    pin_seen: bool = Field(
        default=True, description="false marks a version that was not seen in any file of the archive"
    )
    proven_on: Text | None = Field(
        None, description="on which listing of the archive the patterns were tried, and of which date it is"
    )
    unproven: Text | None = Field(
        None, description="why the patterns were not tried on a listing of the archive"
    )

    _deciding: ClassVar[tuple[str, ...]] = (
        "name",
        "archive",
        "api",
        "identifier",
        "version",
        "has_units",
        "group",
        "subject",
        "reader",
        "reader_options",
        "bin_size",
        "origin",
        "max_hours",
    )

    @field_validator("group", "subject")
    @classmethod
    def _compiles(cls, text: str | None, info: ValidationInfo) -> str | None:
        """Refuse an invalid regular expression, and one that may match nothing in every path."""
        if text is None:
            return None
        what = FOUND_NAMES[str(info.field_name)]
        try:
            expression = re.compile(text)
        except re.error as error:
            raise ValueError(f"{text!r} is not a regular expression: {error}") from error
        if expression.search(""):
            raise ValueError(f"{text!r} can match the empty text, so it cannot tell {what}s apart")
        if expression.groups > 1 and what not in expression.groupindex:
            raise ValueError(f"{text!r} has several parentheses; mark the {what}'s as (?P<{what}>...)")
        return text

    @field_validator("unproven")
    @classmethod
    def _not_proven_too(cls, reason: str | None, info: ValidationInfo) -> str | None:
        """Refuse a source that is proven and unproven at once."""
        if reason is not None and info.data.get("proven_on") is not None:
            raise ValueError("the source says proven_on as well; keep the one that is true")
        return reason

    @field_validator("reader_options")
    @classmethod
    def _known_options(cls, options: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
        """Refuse options that the reader does not take."""
        if reader := info.data.get("reader"):
            require_options(reader, options)
        return options

    @field_validator("fetch")
    @classmethod
    def _parts_suffice(cls, fetch: str, info: ValidationInfo) -> str:
        """Refuse to fetch parts of files that are read as a whole."""
        reader = info.data.get("reader")
        if fetch != "copy" and reader in whole_file_readers():
            raise ValueError(f'the reader {reader} reads whole files, so fetch can only be "copy"')
        return fetch

    @field_validator("origin")
    @classmethod
    def _has_spikes(cls, origin: str, info: ValidationInfo) -> str:
        """Refuse to start at the first spike where there are none."""
        reader = info.data.get("reader")
        if origin == "first-spike" and reader in estimating_readers():
            raise ValueError(f"the reader {reader} finds no spikes; its bins are the samples of the file")
        return origin

    def facts(self) -> dict[str, Any]:
        """Return everything that decides this source's bytes; the order of its patterns does not.

        The format id, and for a folder the fingerprint of its listing, are added by the caller.
        """
        said = self.model_dump(mode="json")
        facts = {key: said.get(key) for key in self._deciding}
        return facts | {"include": sorted(set(self.include)), "exclude": sorted(set(self.exclude))}

    def describe(self) -> dict[str, Any]:
        """Return the entry for provenance: the keys of the catalogue without address or local path."""
        return self.model_dump(mode="json", exclude=_TRACELESS, exclude_none=True)

    def with_api(self, _settings: Settings) -> Self:
        """Return the entry with the address of its archive frozen."""
        return self


class PublishedSource(SourceTable):
    """The keys of a source that others have published."""

    api: ApiAddress | None = Field(
        None, description='the address of the archive\'s API: api = "https://..."; absent, the public one'
    )
    species: Text = Field(description='whose recordings these are: species = "mouse"')
    license: Text = Field(description='under what the source is published: license = "CC-BY-4.0"')
    redistributable: bool = Field(description="true where the licence allows to publish what is made of it")
    citation: Text = Field(description="how the source wants to be cited, in one text")

    @property
    def frozen_api(self) -> str:
        """The address of the archive's API; raises `ValueError` where it is not frozen."""
        if self.api is None:
            raise ValueError(f"The api of source {self.name} is not frozen; call with_api first.")
        return self.api

    def with_api(self, settings: Settings) -> Self:
        """Return the entry with the address of its archive frozen: its own, else that of the settings."""
        usual = getattr(settings, f"{self.archive}_api", None)
        return self.model_copy(update={"api": self.api or (usual and usual.rstrip("/"))})


class DandiSource(PublishedSource):
    """A version of a dandiset."""

    archive: Literal["dandi"]
    identifier: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(
        description='the dandiset\'s six digits in quotes: identifier = "000021"'
    )
    allow_draft: bool = Field(
        default=False, description='true lets version = "draft", which may change, pass'
    )
    version: str = Field(
        description='a published version: version = "0.230907.2101"; "draft" also needs allow_draft = true'
    )
    has_units: bool = Field(default=False, description="true leaves out assets whose metadata list no Units")

    @field_validator("version")
    @classmethod
    def _is_pinned(cls, version: str, info: ValidationInfo) -> str:
        """Refuse anything but a published version, and a draft without `allow_draft`."""
        if version == DRAFT and not info.data.get("allow_draft", True):
            raise ValueError("a draft may change at any time")
        if version != DRAFT and not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version):
            raise ValueError(f"{version!r} is not a published version of a dandiset")
        return version


class FigshareSource(PublishedSource):
    """A version of a figshare article."""

    archive: Literal["figshare"]
    identifier: Annotated[str, StringConstraints(pattern=r"^[0-9]+$")] = Field(
        description='the article\'s number in quotes: identifier = "7739750"'
    )
    version: int = Field(ge=1, description="the number of the article's version: version = 1")


class FilesSource(SourceTable):
    """A folder on this machine: a lab's own recordings."""

    archive: Literal["files"]
    identifier: Text = Field(
        description="the folder of the recordings, absolute or relative to the catalogue"
    )
    species: Text = Field("unspecified", description='whose recordings these are: species = "mouse"')
    license: Text = Field("unspecified", description='under what they may be used: license = "CC-BY-4.0"')
    redistributable: bool = Field(
        default=False, description="true where the licence allows to publish what is made of it"
    )
    citation: str = Field("", description="how the recordings want to be cited, in one text")

    @field_validator("identifier")
    @classmethod
    def _absolute(cls, folder: str, info: ValidationInfo) -> str:
        """Resolve the folder against the one that holds the catalogue."""
        base: Path = (info.context or {}).get("folder", Path.cwd())
        try:
            return os.path.normpath(base / Path(folder).expanduser())
        except RuntimeError as error:
            raise ValueError(f"{folder!r} names the home folder of an unknown user") from error

    @field_validator("fetch")
    @classmethod
    def _read_in_place(cls, fetch: str) -> str:
        """Refuse to stream what is on this machine."""
        if fetch != "copy":
            raise ValueError(f"{fetch!r} is for archives; a folder's own files are read where they lie")
        return fetch

    @property
    def folder(self) -> Path:
        """The folder of the recordings."""
        return Path(self.identifier)

    def describe(self) -> dict[str, Any]:
        """Return the entry for provenance: of the folder only its name."""
        return super().describe() | {"identifier": self.folder.name}


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """An archive: the table of a source in it, and its class in a module of `services/common/archives`.

    `page` is the address of a source's page there, with `{identifier}` and `{version}`.
    """

    table: type[SourceTable]
    factory: str
    page: str | None = None


ARCHIVES: dict[str, ArchiveEntry] = {
    "dandi": ArchiveEntry(
        DandiSource, "dandi:DandiArchive", "https://dandiarchive.org/dandiset/{identifier}/{version}"
    ),
    "figshare": ArchiveEntry(
        FigshareSource, "figshare:FigshareArchive", "https://figshare.com/articles/_/{identifier}/{version}"
    ),
    "files": ArchiveEntry(FilesSource, "folder:FilesArchive"),
}


def _as_table_of_its_archive(entry: Any, info: ValidationInfo) -> SourceTable:
    if isinstance(entry, SourceTable):
        return entry
    if not isinstance(entry, dict):
        raise PydanticKnownError("dict_type")
    if "archive" not in entry:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'archive'"})
    archive = ARCHIVES.get(entry["archive"])
    if archive is None:
        raise PydanticKnownError(
            "union_tag_invalid",
            {
                "discriminator": "'archive'",
                "tag": str(entry["archive"]),
                "expected_tags": ", ".join(ARCHIVES),
            },
        )
    return archive.table.model_validate(entry, context=info.context)


Source = Annotated[SourceTable, PlainValidator(_as_table_of_its_archive)]
_SOURCE: TypeAdapter[SourceTable] = TypeAdapter(Source)


class Catalogue(Table):
    """A pile and its sources."""

    pile: Pile = Field(description='the table of the pile: [pile] with name = "..."')
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = Field(
        alias="source", min_length=1, description="the tables of the sources: [[source]]"
    )

    def only(self, names: Collection[str]) -> Self:
        """Return the catalogue with only the named sources; with no name, those taken by default.

        Raises `CallError` where a name is not in the catalogue, or no source is left.
        """
        known = [source.name for source in self.sources]
        if unknown := sorted(set(names) - set(known)):
            raise CallError(
                f"No source of the catalogue is called {', '.join(unknown)}; it has {', '.join(known)}."
            )
        chosen = tuple(s for s in self.sources if (s.name in names if names else s.default))
        if not chosen:
            raise CallError(
                f"Every source of the catalogue says default = false; name those to take: {', '.join(known)}."
            )
        return self.model_copy(update={"sources": chosen})


def source_from_record(record: dict[str, Any]) -> Source:
    """Return the entry of a `model_dump(mode="json")`, as the ledger keeps it."""
    return _SOURCE.validate_python(record)
