"""What the hub's answers are made from."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from standins.hub.access import Access
from standins.hub.objects import XetStore
from standins.hub.refusals import no_repository
from standins.hub.repository import Repository
from standins.wire.messages import Answer, Request

NO_MULTIPART = 5 << 30
PART_SIZE = 16 << 20
PAGE_SIZE = 1000
Named = Mapping[str, str]
"""What a route found in the address."""
Plain = Callable[[Request, Named], Answer]
OfRepository = Callable[[Request, Repository, Named], Answer]
IDENTIFIER = r"[\w-][\w.-]*/[\w-][\w.-]*"


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


@dataclass(frozen=True, slots=True)
class Repositories:
    """The repositories in a folder, which nobody else changes; one lock serves them all."""

    folder: Path
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, identifier: str) -> Repository:
        """Return a repository; raises `RefusalError` where there is none."""
        repository = self.place(identifier)
        if not repository.exists:
            raise no_repository()
        return repository

    def place(self, identifier: str) -> Repository:
        """Return where a repository stands, or would."""
        if not re.fullmatch(IDENTIFIER, identifier):
            raise no_repository()
        return Repository(identifier, self.folder / identifier, self.lock)
