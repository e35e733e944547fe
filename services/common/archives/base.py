"""What every archive offers, and how its answers are validated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from spikemill.services.common.errors import AssetError
from spikemill.services.common.types import Asset

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Location:
    """Where an asset can be read right now: a URL, or a path on this machine."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False


class Archive(Protocol):
    """One version of one dandiset, article or folder.

    All methods raise `NetworkError` (try again later) or `AssetError` (it does not exist).
    """

    def assets(self) -> Iterator[Asset]:
        """Yield every asset of the listing, in ascending order of the path's UTF-8 bytes."""

    def locate(self, asset: Asset) -> Location:
        """Return where to download the asset; called again for each attempt."""

    def resolve(self, asset: Asset) -> Location:
        """Return where the storage serves ranges of the asset right now.

        Called again when that location refuses: it then returns another one, or a freshly signed link.
        """


def checked(answer: Any, form: TypeAdapter[_T], address: str) -> _T:
    """Return the validated answer; raises an `AssetError` that names the first place where it differs."""
    try:
        return form.validate_python(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the answer"
        raise AssetError(f"{address} is not what its API documents: {place}: {problem['msg']}.") from error
