"""What a push tells whoever watches it, or wants it to stop."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ShardStep:
    """A shard that the hub has now: the how manyth it is of how many, and the bytes that travelled for it.

    `travelled` is 0 where the hub had it.
    """

    name: str
    number: int
    of: int
    size: int
    travelled: int


class Progress(Protocol):
    """Hears of each step of a push; what it raises stops the push, which may begin again later."""

    def shard_done(self, step: ShardStep) -> None:
        """Hear that the hub has a shard."""

    def about_to_commit(self) -> None:
        """Hear that all files are there and that the dataset is about to change."""


class Silent:
    """Hears, and does nothing."""

    def shard_done(self, step: ShardStep) -> None:
        """Do nothing."""

    def about_to_commit(self) -> None:
        """Do nothing."""
