"""Where a build stands at one moment, as the ledger tells it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.cli.ledger_of_home import current_build
from services.common.database import transaction
from services.common.ledger import build_status, figures
from services.common.ledger.build_status import BuildStatus
from services.common.ledger.figures import AssetBytes, Failure, LeftOut, SourceProgress
from services.common.models.work import JobState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is shown of a build; `taken_at` is a monotonic clock's seconds."""

    taken_at: float
    status: BuildStatus
    progress: Sequence[SourceProgress]
    tokens: Mapping[str, int]
    bytes: AssetBytes
    failures: Sequence[Failure]

    @property
    def sessions_done(self) -> int:
        """How many sessions are binned."""
        return sum(source.done for source in self.progress)

    @property
    def is_listed(self) -> bool:
        """Tell whether every source is sealed, so that the total is known."""
        return all(source.sealed for source in self.progress)

    @property
    def dead(self) -> Sequence[Failure]:
        """What failed for good."""
        return [failure for failure in self.failures if failure.state == JobState.DEAD]

    @property
    def waiting(self) -> Sequence[Failure]:
        """What failed and will be tried again, the next try first."""
        given_up = {JobState.DEAD, JobState.WAIVED}
        retried = [failure for failure in self.failures if failure.state not in given_up]
        return sorted(retried, key=lambda failure: failure.not_before)


def read_snapshot(build: int) -> Snapshot:
    """Ask the ledger how a build stands."""
    with transaction() as ledger:
        return Snapshot(
            taken_at=time.monotonic(),
            status=build_status.status_of(ledger, build),
            progress=figures.progress_of(ledger, build),
            tokens={count.source: count.tokens for count in figures.tokens_of(ledger, build)},
            bytes=figures.asset_bytes_of(ledger, build),
            failures=figures.failures_of(ledger, build),
        )


def read_current() -> tuple[Snapshot, Sequence[LeftOut]]:
    """Ask the ledger how the build stands that people mean when they name none, and what it leaves out."""
    with transaction() as ledger:
        build = current_build(ledger)
        left_out = list(figures.left_out_of(ledger, build))
    return read_snapshot(build), left_out


def seconds_until(failure: Failure) -> float:
    """Return in how many seconds a job is tried again."""
    return max(0.0, (failure.not_before - datetime.now(UTC)).total_seconds())
