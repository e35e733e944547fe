"""Where on the Hugging Face hub a pile is published, and what may be."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spikemill.services.common.errors import CallError

PUBLIC_HUB = "https://huggingface.co"
MAIN = "main"
# What git and the hub both take as a branch, and what a shell takes unquoted.
_REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]*(?<![./])", re.ASCII)


class Transfer(StrEnum):
    """How shards are uploaded to the hub."""

    LFS = "lfs"  # whole files; goes on after the last one that arrived
    XET = "xet"  # only the parts of files that the hub does not have


@dataclass(frozen=True, slots=True)
class HubTarget:
    """A branch of a dataset repository; `private` decides only how it is created."""

    repository: str
    revision: str = MAIN
    private: bool = True
    endpoint: str = PUBLIC_HUB

    def __str__(self) -> str:
        """Return the repository, with the branch where it is not the usual one."""
        return self.repository if self.revision == MAIN else f"{self.repository}@{self.revision}"

    def address_of(self, commit: str) -> str:
        """Return where people see what a commit made of the repository."""
        return f"{self.endpoint}/datasets/{self.repository}/commit/{commit}"

    @property
    def place(self) -> tuple[str, str, str]:
        """What two targets have in common whose pushes replace each other."""
        return self.endpoint, self.repository, self.revision


def hub_target(repository: str, *, revision: str = MAIN, private: bool = True) -> HubTarget:
    """Return the target that a person named, at the hub of HF_ENDPOINT.

    Raises `CallError` where there can be no such repository or branch.
    """
    # Workers that only read the ledger have no client of the hub.
    from huggingface_hub import errors, utils  # noqa: PLC0415

    if repository.count("/") != 1:
        raise CallError(
            f"{repository!r} is not a repository of the hub: write it as organisation/name or user/name."
        )
    try:
        utils.validate_repo_id(repository)
    except errors.HFValidationError as error:
        raise CallError(f"{repository!r} is not a repository of the hub: {error}") from error
    if not _REVISION.fullmatch(revision):
        raise CallError(f"{revision!r} is not a branch: letters, digits, -, _, . and / make one, as in main.")
    return HubTarget(repository, revision, private, endpoint())


def endpoint() -> str:
    """Return the hub that this process means: HF_ENDPOINT, else the public one."""
    return (os.environ.get("HF_ENDPOINT") or PUBLIC_HUB).rstrip("/")


WITHOUT_PUSH = " To have the pile on disk alone, leave out --push (or SPIKEMILL_PUSH_TO)."
"""What to do instead, for the error of a build."""


def require_redistributable(sources: Iterable[Mapping[str, Any]], *, otherwise: str = "") -> None:
    """Raise `CallError` with the names of the sources that may not be published, not even privately.

    `otherwise` is a sentence on what to do instead.
    """
    kept = sorted(str(source["name"]) for source in sources if source.get("redistributable") is not True)
    if kept:
        raise CallError(
            f"{', '.join(kept)}: the catalogue does not say redistributable = true, so a pile with it is "
            "pushed to no repository, private ones included. Leave out the source, or correct its entry if "
            f"its licence allows it, and build again.{otherwise}"
        )
