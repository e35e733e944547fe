"""What a catalogue may say about a source, by the archive that holds it."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, ValidationInfo, field_validator

from services.common.catalogue.tables import ApiAddress, Expectation, Name, Patterns, Table, Text
from services.common.settings import Settings

DRAFT = "draft"
READER_OPTIONS: dict[str, frozenset[str]] = {"nwb-units": frozenset()}
"""The options that each reader takes."""


class _SourceTable(Table):
    """The keys that every source knows."""

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
    reader: Literal["nwb-units"] = Field("nwb-units", description="how the files are read")
    reader_options: dict[str, JsonValue] = Field({}, description="a table of the reader's own options")
    fetch: Literal["copy"] = Field("copy", description="how the bytes come here: whole files, digest checked")
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

    _deciding: ClassVar[tuple[str, ...]] = (
        "name",
        "archive",
        "api",
        "identifier",
        "version",
        "has_units",
        "group",
        "reader",
        "reader_options",
        "bin_size",
        "origin",
        "max_hours",
    )

    @field_validator("group")
    @classmethod
    def _compiles(cls, group: str | None) -> str | None:
        """Refuse what is no regular expression, and one whose match could be empty for every path."""
        if group is None:
            return None
        try:
            expression = re.compile(group)
        except re.error as error:
            raise ValueError(f"{group!r} is no regular expression: {error}") from error
        if expression.search(""):
            raise ValueError(f"{group!r} also matches nothing at all, so it cannot tell sessions apart")
        if expression.groups > 1 and "session" not in expression.groupindex:
            raise ValueError(f"{group!r} has several parentheses; mark the session's as (?P<session>...)")
        return group

    @field_validator("reader_options")
    @classmethod
    def _known_options(cls, options: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
        """Refuse options that the reader does not take."""
        known = READER_OPTIONS.get(info.data.get("reader", ""), frozenset())
        if unknown := sorted(options.keys() - known):
            raise ValueError(
                f"{', '.join(unknown)}: not an option of this reader, "
                f"which takes {', '.join(sorted(known)) or 'none'}"
            )
        return options

    def facts(self) -> dict[str, Any]:
        """Return everything that decides this source's bytes; the order of its patterns does not.

        The format id, and for a folder the fingerprint of its listing, are added by the caller.
        """
        said = self.model_dump(mode="json")
        facts = {key: said.get(key) for key in self._deciding}
        return facts | {"include": sorted(set(self.include)), "exclude": sorted(set(self.exclude))}

    def describe(self) -> dict[str, Any]:
        """Return the entry for provenance: the keys of the catalogue without address or local path."""
        # How the bytes travelled and what was expected of them leave no trace in a pile.
        return self.model_dump(mode="json", exclude={"api", "expect", "fetch"}, exclude_none=True)

    def with_api(self, _settings: Settings) -> Self:
        """Return the entry with the address of its archive frozen."""
        return self


class _PublishedSource(_SourceTable):
    """The keys of a source that others have published."""

    api: ApiAddress | None = Field(
        None, description='the address of the archive\'s API: api = "https://..."; absent, the public one'
    )
    species: Text = Field(description='whose recordings these are: species = "mouse"')
    license: Text = Field(description='under what the source is published: license = "CC-BY-4.0"')
    redistributable: bool = Field(description="true where the licence allows to publish what is made of it")
    citation: Text = Field(description="how the source wants to be cited, in one text")


class DandiSource(_PublishedSource):
    """A version of a dandiset."""

    archive: Literal["dandi"]
    identifier: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(
        description='the dandiset\'s six digits in quotes: identifier = "000021"'
    )
    allow_draft: bool = Field(False, description='true lets version = "draft", which may change, pass')
    version: str = Field(
        description='a published version: version = "0.230907.2101"; "draft" also needs allow_draft = true'
    )
    has_units: bool = Field(False, description="true leaves out assets whose metadata list no Units")

    @field_validator("version")
    @classmethod
    def _is_pinned(cls, version: str, info: ValidationInfo) -> str:
        """Refuse what names no published version, and a draft that was not asked for."""
        if version == DRAFT and not info.data.get("allow_draft", True):
            raise ValueError("a draft may change any day")
        if version != DRAFT and not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version):
            raise ValueError(f"{version!r} is no version of a dandiset")
        return version

    def with_api(self, settings: Settings) -> Self:
        """Return the entry with the address of its archive frozen."""
        return self.model_copy(update={"api": self.api or settings.dandi_api.rstrip("/")})


class FigshareSource(_PublishedSource):
    """A version of a figshare article."""

    archive: Literal["figshare"]
    identifier: Annotated[str, StringConstraints(pattern=r"^[0-9]+$")] = Field(
        description='the article\'s number in quotes: identifier = "7739750"'
    )
    version: int = Field(ge=1, description="the number of the article's version: version = 1")

    def with_api(self, settings: Settings) -> Self:
        """Return the entry with the address of its archive frozen."""
        return self.model_copy(update={"api": self.api or settings.figshare_api.rstrip("/")})


class FilesSource(_SourceTable):
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
            raise ValueError(f"{folder!r} names the home folder of nobody known here") from error

    @property
    def folder(self) -> Path:
        """The folder of the recordings."""
        return Path(self.identifier)

    def describe(self) -> dict[str, Any]:
        """Return the entry for provenance: of the folder only its name."""
        return super().describe() | {"identifier": self.folder.name}


Source = Annotated[DandiSource | FigshareSource | FilesSource, Field(discriminator="archive")]
SOURCE_TABLES: dict[str, type[_SourceTable]] = {
    "dandi": DandiSource,
    "figshare": FigshareSource,
    "files": FilesSource,
}
