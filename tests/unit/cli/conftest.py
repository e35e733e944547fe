"""Snapshots of builds that were never built."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from spikemill.services.cli.watch import Snapshot
from spikemill.services.common.ledger.build_queries import AssetBytes, BuildStatus, Failure, SourceProgress

TakeSnapshot = Callable[..., Snapshot]
MakeFailure = Callable[..., Failure]


@pytest.fixture
def make_failure() -> MakeFailure:
    """Give a function that makes a failure."""
    failure = Failure(
        kind="fetch",
        state="ready",
        source="vcn",
        session="vcn/sub-1/ses-1",
        file="sub-1/ses-1.nwb",
        attempt=1,
        failures=1,
        crashes=0,
        error_class="NetworkError",
        error="api.dandiarchive.org answered 503.",
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return lambda **changes: replace(failure, **changes)


@pytest.fixture
def take_snapshot() -> TakeSnapshot:
    """Give a function that makes a snapshot at a moment; by default one source with ten sessions."""

    def take(taken_at: float = 0.0, **changes: Any) -> Snapshot:
        source = SourceProgress(
            **(
                {
                    "source": "vcn",
                    "plan_state": "done",
                    "sealed": True,
                    "sessions": 10,
                    "queued": 10,
                    "fetching": 0,
                    "binning": 0,
                    "done": 0,
                    "failed": 0,
                    "skipped": 0,
                }
                | changes.pop("source", {})
            )
        )
        status = {
            "build": 1,
            "pile": "pile",
            "state": "open",
            "release": 1,
            "release_state": "waiting",
            "digest": None,
            "runnable": 1,
            "shards": 0,
            "shards_done": 0,
            "tokens_done": changes.pop("tokens", 0),
            "silent_for": 0.0,
            "hub": None,
            "hub_shards": None,
            "hub_commit": None,
        } | changes.pop("status", {})
        return Snapshot(
            taken_at=taken_at,
            status=BuildStatus(**status),
            progress=[source],
            tokens={source.source: status["tokens_done"]},
            bytes=changes.pop("bytes", AssetBytes(total=1000, settled=0)),
            failures=changes.pop("failures", []),
        )

    return take
