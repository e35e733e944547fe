"""What the hub's answers are made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.demo.hub.access import Access
from services.demo.hub.repositories import Repositories
from services.demo.hub.repository import Repository
from services.demo.hub.xet_store import XetStore
from services.demo.wire.messages import Answer, Request

NO_MULTIPART = 5 << 30
PART_SIZE = 16 << 20
PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the hub changes its ways: sizes of uploads in parts, of a part, and of a page."""

    multipart_above: int = NO_MULTIPART
    part_size: int = PART_SIZE
    page_size: int = PAGE_SIZE


class Hub:
    """Repositories, the Xet store, who may do what, and the limits."""

    def __init__(self, folder: Path, access: Access, limits: Limits) -> None:
        """Keep everything in a folder."""
        self.access = access
        self.limits = limits
        self.repositories = Repositories(folder / "datasets")
        self.xet = XetStore(folder / "xet")

    def stores(self, repository: Repository, sha256: str, size: int) -> bool:
        """Tell whether a large file of the repository is there, however it came."""
        return repository.objects.has(sha256, size) or self.xet.name_of(sha256, size) is not None


Named = Mapping[str, str]
"""What a route found in the address."""

Plain = Callable[[Request, Named], Answer]
OfRepository = Callable[[Request, Repository, Named], Answer]
