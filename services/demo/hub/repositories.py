"""All repositories of the hub, in one folder."""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from services.demo.hub.refusals import no_repository
from services.demo.hub.repository import Repository

IDENTIFIER = r"[\w-][\w.-]*/[\w-][\w.-]*"


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
