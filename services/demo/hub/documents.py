"""The documents that requests carry, as far as the hub goes by them."""

from http import HTTPStatus
from typing import TypeVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from services.demo.hub.refusals import refusal
from services.demo.wire.bodies import whole_body
from services.demo.wire.messages import Request

SHA256 = Field(pattern="^[0-9a-f]{64}$")


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
