"""How far a push is: a line for each shard, and below them a bar on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from services.cli.wording import size
from services.merger.hub import ShardStep


@contextmanager
def push_progress(console: Console, shards: int) -> Iterator["PushBar"]:
    """Give what tells of each shard; its bar is cleared away at the end."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("shards"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield PushBar(progress, progress.add_task("Pushing", total=shards))


class PushBar:
    """Tells of the shards that the hub has, and counts them."""

    def __init__(self, progress: Progress, bar: TaskID) -> None:
        """Move a bar of a display."""
        self._progress = progress
        self._bar = bar

    def shard_done(self, step: ShardStep) -> None:
        """Move on by a shard, and say above what became of it."""
        how = f"{size(step.travelled)} sent" if step.travelled else "there already"
        self._progress.console.print(f"{step.name}: {how}")
        self._progress.update(self._bar, completed=step.number)

    def about_to_commit(self) -> None:
        """Say that the dataset is about to change."""
        self._progress.update(self._bar, description="Committing", refresh=True)
