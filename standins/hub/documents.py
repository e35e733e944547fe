"""The documents that requests carry, as far as the hub goes by them."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import yaml
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from standins.hub.hub import Named
from standins.hub.refusals import refusal
from standins.wire.messages import Answer, Request, json_answer, whole_body

SHA256 = Field(pattern="^[0-9a-f]{64}$")
_HEAD = re.compile(r"\A\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_LISTS = ("tags", "size_categories", "task_categories", "configs")
_SIZES = frozenset(
    (
        *("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B"),
        *("1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T"),
    )
)


class Document(BaseModel):
    """A document of a client: what is not known here is let be."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NewRepository(Document):
    """A repository to be created."""

    name: str
    type: str = "model"
    organization: str | None = None
    visibility: str = "public"


class Card(Document):
    """A card whose metadata is to be looked at."""

    content: str


class Offer(Document):
    """A file that a client means to upload; of its content only the beginning."""

    path: str
    size: int
    sample: Base64Bytes = b""


class Offers(Document):
    """Files that a client means to upload."""

    files: tuple[Offer, ...]


class LfsObject(Document):
    """A content."""

    oid: str = SHA256
    size: int = Field(ge=0)


class Batch(Document):
    """Contents that a client means to send."""

    objects: tuple[LfsObject, ...]
    transfers: tuple[str, ...] = ("basic",)


class Part(Document):
    """A part that was sent."""

    number: int = Field(alias="partNumber")
    etag: str


class Parts(Document):
    """The parts of a content."""

    parts: tuple[Part, ...]


class NewBranch(Document):
    """Where a branch is to begin."""

    start: str | None = Field(None, alias="startingPoint")


class NewTag(Document):
    """What a commit is to be called."""

    tag: str


Kind = TypeVar("Kind", bound=Document)


def read_document(request: Request, kind: type[Kind]) -> Kind:
    """Return the document of a request; one that is not of its kind is refused."""
    try:
        return kind.model_validate_json(whole_body(request))
    except ValidationError as error:
        raise unreadable(error) from error


def unreadable(error: ValueError) -> Exception:
    """Return the refusal of what cannot be read."""
    return refusal(HTTPStatus.BAD_REQUEST, f"The request cannot be read: {' '.join(str(error).split())}")


def validate(request: Request, _: Named) -> Answer:
    """Answer what is wrong with the metadata of a card."""
    head = _HEAD.match(read_document(request, Card).content)
    if head is None:
        return _answer([], ["empty or missing yaml metadata in repo card"])
    try:
        metadata = yaml.safe_load(head["yaml"])
    except yaml.YAMLError as error:
        return _answer([f"YAML Metadata Error: {error}"], [])
    return _answer(list(_mistakes(metadata)), [])


def _answer(errors: list[str], warnings: list[str]) -> Answer:
    told = {"errors": errors, "warnings": warnings}
    listed = {kind: [{"message": text} for text in texts] for kind, texts in told.items()}
    return json_answer(listed, HTTPStatus.BAD_REQUEST if errors else HTTPStatus.OK)


def _mistakes(metadata: Any) -> Iterator[str]:
    """Yield what the hub would not take."""
    if not isinstance(metadata, Mapping):
        yield "The metadata must be a mapping"
        return
    for name in _LISTS:
        if not isinstance(metadata.get(name, []), list):
            yield f'"{name}" must be an array'
    if not isinstance(metadata.get("license", ""), str | list):
        yield '"license" must be a string or an array'
    if not isinstance(metadata.get("pretty_name", ""), str):
        yield '"pretty_name" must be a string'
    for size in metadata.get("size_categories") or ():
        if str(size) not in _SIZES:
            yield f'"size_categories" has no category {size}'
    for config in metadata.get("configs") or ():
        if not (isinstance(config, Mapping) and isinstance(config.get("config_name"), str)):
            yield '"configs" needs a "config_name" in each'
