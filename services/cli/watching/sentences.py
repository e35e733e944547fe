"""The lines that say how a build stands, beside its table of sources."""

from collections.abc import Iterator

from services.cli.watching.pace import Pace
from services.cli.watching.snapshot import Snapshot, seconds_until
from services.cli.wording import count, duration, rate
from services.common.ledger.build_status import BuildStatus
from services.common.ledger.figures import Failure, SourceProgress
from services.common.models.builds import BuildState, ReleaseState

# A round takes less than a second; Postgres or the broker may have to start again in between.
_LONGEST_SILENCE = 30.0
_LISTING = {"ready": "waits to be listed", "running": "is being listed", "dead": "could not be listed"}


def sentences(snapshot: Snapshot, pace: Pace, *, has_workers: bool = True) -> Iterator[str]:
    """Yield what is true of the whole build: how far, how fast, and what is waited for."""
    yield speed(snapshot, pace)
    if merging := merge_state(snapshot):
        yield merging
    yield from waits(snapshot, has_workers=has_workers)


def speed(snapshot: Snapshot, pace: Pace) -> str:
    """Say how much there is, how fast it grows, and how long the rest may take."""
    parts = [count(snapshot.status.tokens_done, "token")]
    if (per_second := pace.tokens_per_second()) > 0:
        parts.append(rate(per_second))
    if snapshot.status.release_state == ReleaseState.WAITING and (left := pace.seconds_left()):
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def merge_state(snapshot: Snapshot) -> str | None:
    """Say how far the merge is, once it has begun, and then how far the push to the hub."""
    status = snapshot.status
    if status.release_state == ReleaseState.PUBLISHED and status.state == BuildState.OPEN:
        return _push_state(status)
    if status.release_state != ReleaseState.FROZEN:
        return None
    if status.shards_done < status.shards:
        return f"merging: {status.shards_done} of {count(status.shards, 'shard')} written"
    return f"merging: {count(status.shards, 'shard')} written, the pile is read once more"


def _push_state(status: BuildStatus) -> str:
    done = f": {status.hub_shards} of {count(status.shards, 'shard')} are there" if status.hub_shards else ""
    return f"pushing to {status.hub}{done}"


def waits(snapshot: Snapshot, *, has_workers: bool = True) -> Iterator[str]:
    """Say per source what failed and is tried again, and when; and whether nothing is sent any more."""
    has_sweeper = has_workers and snapshot.status.state == BuildState.OPEN
    if has_sweeper and snapshot.status.silent_for > _LONGEST_SILENCE:
        yield "The sweeper ends no round any more, so nothing new starts: logs/sweeper.log says why."
    told: set[str] = set()
    for failure in snapshot.waiting:
        if failure.source not in told:
            told.add(failure.source)
            yield f"{failure.source}: {first_line(failure)} Next try {_moment(failure)}."


def source_line(source: SourceProgress, tokens: int) -> str:
    """Say how one source stands, in one line."""
    if not source.sealed:
        return f"{source.source}: {_LISTING.get(source.plan_state, source.plan_state)}"
    under_way = [
        f"{number} {word}"
        for number, word in (
            (source.queued, "queued"),
            (source.fetching, "fetching"),
            (source.binning, "binning"),
            (source.failed, "failed"),
            (source.waived, "waived"),
        )
        if number
    ]
    done = f"{source.done} of {count(source.sessions, 'session')} done"
    return f"{source.source}: {', '.join([done, *under_way])}; {count(tokens, 'token')}"


def first_line(failure: Failure) -> str:
    """Return the first line of what was said, as a sentence."""
    line = next(iter(failure.error.splitlines()), "")
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _moment(failure: Failure) -> str:
    seconds = seconds_until(failure)
    return f"in {duration(seconds)}" if seconds >= 1 else "now"
