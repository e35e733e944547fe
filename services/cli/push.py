"""A push as the command shows it: which pile, which target, its progress and its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from spikemill.services.cli.arguments import DEFAULT_HOME
from spikemill.services.cli.format import count, size
from spikemill.services.cli.home import ledger_of, pile_in_store
from spikemill.services.cli.local.engine import running_address
from spikemill.services.cli.local.home import Home
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger import pushes
from spikemill.services.common.settings import settings
from spikemill.services.common.store import is_object_address, store_at
from spikemill.services.merger.hub.push import Pushed, PushProgress
from spikemill.services.merger.hub.repository import Difference
from spikemill.services.merger.hub.upload import ShardStep
from spikemill.services.merger.provenance import StoredPile, pile_in_folder

_PILES = "piles"


@dataclass(frozen=True, slots=True)
class NamedPile:
    """A pile, the digest of its release if it stands among others, and the home they stand in, if any."""

    files: StoredPile
    release: str | None
    home: Home | None = None


def named_pile(pile: str) -> NamedPile:
    """Find a pile; of one in an object store nothing but what is asked for is read.

    Raises `CallError` where there is none.
    """
    if is_object_address(pile):
        store = store_at(pile)
        name = pile_in_store(store, pile)
        return NamedPile(StoredPile(store, name), _release(f"{pile.rstrip('/')}/{name}".rstrip("/")))
    # A build may switch the link to another pile meanwhile.
    folder = Path(pile).resolve()
    release = _release(str(folder))
    return NamedPile(pile_in_folder(folder), release, Home(folder.parent.parent) if release else None)


def _release(place: str) -> str | None:
    parent, _, name = place.rpartition("/")
    return name if parent.rpartition("/")[2] == _PILES else None


def note_in_ledger(pile: NamedPile, target: HubTarget, commit: str) -> bool:
    """Record a push in the ledger of the settings or of the pile's home; tell whether it knows the pile."""
    if pile.release is None or not _has_ledger(pile.home):
        return False
    with ledger_of(pile.home or Home(DEFAULT_HOME)), transaction() as ledger:
        return pushes.note_push(ledger, pile.release, pile.files.provenance_sha256, target, commit)


def _has_ledger(home: Home | None) -> bool:
    if settings().database_url is not None:
        return True
    return home is not None and (bool(home.clusters()) or running_address(home) is not None)


@contextmanager
def push_progress(console: Console, shards: int) -> Iterator["PushBar"]:
    """Show the progress of each shard while the block runs."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("shards"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield PushBar(progress, progress.add_task("Pushing", total=shards))


class PushBar(PushProgress):
    """Tells of the shards that the hub has, and counts them."""

    def __init__(self, progress: Progress, bar: TaskID) -> None:
        self._progress = progress
        self._bar = bar

    def shard_done(self, step: ShardStep) -> None:
        """Move on by a shard, and say above what became of it."""
        how = f"{size(step.sent_bytes)} sent" if step.sent_bytes else "there already"
        self._progress.console.print(f"{step.name}: {how}")
        self._progress.update(self._bar, completed=step.number)

    def about_to_commit(self) -> None:
        """Say that the dataset is about to change."""
        self._progress.update(self._bar, description="Committing", refresh=True)


def pushed_lines(pushed: Pushed, target: HubTarget) -> Iterator[str]:
    """Say what travelled and what is where now; the last line is the address of the commit."""
    if pushed.is_new:
        yield (
            f"{target} at {target.endpoint} is this pile now: {count(pushed.uploaded_shards, 'shard')} sent, "
            f"{pushed.kept_shards:,} there already, {count(pushed.deleted, 'file')} deleted; "
            f"{size(pushed.uploaded_bytes)} travelled."
        )
    else:
        yield f"Nothing to do: {target} at {target.endpoint} is this pile already."
    yield target.address_of(pushed.commit)


def preview_lines(difference: Difference, target: HubTarget, *, has_token: bool) -> Iterator[str]:
    """Say what a push would do to each file, and how many bytes would travel at most.

    Without a token a private repository looks like one that is missing.
    """
    if difference.is_empty:
        yield f"Nothing would change: {target} at {target.endpoint} is this pile already."
        return
    for name, number in difference.uploaded.items():
        yield f"{'replace' if name in difference.replaced else 'send':8}{name} ({size(number)})"
    yield from (f"draw    {name}" for name in difference.drawn)
    yield from (f"delete  {name} ({size(number)})" for name, number in difference.deleted.items())
    yield from (f"keep    {name} ({size(number)})" for name, number in difference.kept.items())
    seen = "" if has_token else ", as far as can be seen without a token"
    yield (
        f"No more than {size(difference.bytes_to_upload)} would travel to {target} at {target.endpoint}, "
        f"and the pictures{seen}. Nothing was changed."
    )


@contextmanager
def going_on_told() -> Iterator[None]:
    """Say of what may go better soon how it goes on; raises `NetworkError`."""
    try:
        yield
    except NetworkError as error:
        text = f"{error} Run the same push again; it goes on where it was."
        raise NetworkError(text, retry_after=error.retry_after) from error
