"""What a catalogue may say about any source, whichever archive holds it."""

import re
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from services.common.catalogue.tables import Expectation, Name, Patterns, Table
from services.common.settings import Settings

READER_OPTIONS: dict[str, frozenset[str]] = {"nwb-units": frozenset()}
"""The options that each reader takes."""


class SourceTable(Table):
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
