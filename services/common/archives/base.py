"""What every archive can answer, and how answers and paths are checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from spikemill.services.common.errors import AssetError
from spikemill.services.common.types import Asset

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Location:
    """Where an asset's bytes can be had right now: a URL, or a path on this machine."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False


class Archive(Protocol):
    """One version of one dandiset, article or folder.

    All methods raise `NetworkError` (try again later) or `AssetError` (it is not there).
    """

    def assets(self) -> Iterator[Asset]:
        """Yield every asset of the listing, in ascending order of the path's UTF-8 bytes."""

    def locate(self, asset: Asset) -> Location:
        """Return where a copy of the asset can be had; called anew for each attempt."""

    def resolve(self, asset: Asset) -> Location:
        """Return where the storage itself serves parts of the asset right now.

        Called again when that place refuses: it then returns another one, or a freshly signed link.
        """


def checked(answer: Any, form: TypeAdapter[_T], address: str) -> _T:
    """Return the answer as its form; raises `AssetError` that names the first place where it differs."""
    try:
        return form.validate_python(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the answer"
        raise AssetError(f"{address} is not what its API documents: {place}: {problem['msg']}.") from error
