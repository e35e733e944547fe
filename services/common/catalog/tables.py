"""The simple tables of a catalogue, and the types of its values.

The description of a key is also the remedy that an error about it shows.
"""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from spikemill.services.common.types import SplitBy

Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Patterns = Annotated[tuple[Text, ...], Field(strict=False)]


def _usable_address(address: str) -> str:
    """Return the address without a final slash; refuse an impossible host or port."""
    try:
        _ = urlsplit(address).port
    except ValueError as error:
        raise ValueError(f"{address!r} is not an address: {error}") from error
    return address.rstrip("/")


ApiAddress = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"),
    AfterValidator(_usable_address),
]


class Table(BaseModel):
    """A TOML table: it takes no unknown key, no value of another type, and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MergeParameters(Table):
    """How rows become a pile; together with the rows this decides every byte."""

    seed: int = Field(0, description="the number that shuffles the rows and decides the split")
    split_by: SplitBy = Field(
        "session", description='what is never divided between train and test: "session", "subject" or "row"'
    )
    test_fraction: float = Field(0.01, ge=0, lt=1, description="the part of the groups to test on")
    shard_bytes: int = Field(500_000_000, gt=0, description="the bytes of column pages that close a shard")
    shard_tokens: int = Field(1_000_000_000, gt=0, description="the tokens that close a shard")


class Pile(MergeParameters):
    """The merged dataset that the sources become."""

    name: Name = Field(
        description="what the pile is called, as a file name: lower-case letters, digits, - and _"
    )
    notes: str = Field("", description="free text for the dataset's card")

    @property
    def parameters(self) -> MergeParameters:
        """How the rows of the sources become this pile."""
        return MergeParameters(**self.model_dump(include=set(MergeParameters.model_fields)))


class Expectation(Table):
    """Published figures that a source is compared with; a difference only warns."""

    sessions: int | None = Field(None, ge=0, description="the number of sessions")
    subjects: int | None = Field(None, ge=0, description="the number of subjects")
    tokens: int | None = Field(None, ge=0, description="the number of tokens")
