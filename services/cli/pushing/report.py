"""What a push changed, or would change."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.wording import count, size
from services.common.errors import NetworkError
from services.common.hub_target import HubTarget
from services.merger.hub import Difference, Pushed


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
