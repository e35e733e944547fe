"""The keys of a source that depend on the archive that holds it."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from services.common.catalogue.source_table import SourceTable
from services.common.catalogue.tables import ApiAddress, Text
from services.common.settings import Settings

DRAFT = "draft"


class _PublishedSource(SourceTable):
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
            raise ValueError(f"{folder!r} names the home folder of nobody known here") from error

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


Source = Annotated[DandiSource | FigshareSource | FilesSource, Field(discriminator="archive")]
SOURCE_TABLES: dict[str, type[SourceTable]] = {
    "dandi": DandiSource,
    "figshare": FigshareSource,
    "files": FilesSource,
}
