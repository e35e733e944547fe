"""`spikemill status --json`: how a build stands, for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.cli.watching.snapshot import Snapshot
from services.common.ledger.figures import LeftOut


def status_document(snapshot: Snapshot, left_out: Sequence[LeftOut]) -> Mapping[str, Any]:
    """Return the build, its sources, its failures, what it goes without; moments are ISO 8601 texts."""
    return {
        "build": asdict(snapshot.status),
        "sources": [
            asdict(source) | {"tokens": snapshot.tokens.get(source.source, 0)} for source in snapshot.progress
        ],
        "bytes": asdict(snapshot.bytes),
        "failures": [_with_texts(asdict(failure)) for failure in snapshot.failures],
        "left_out": [asdict(session) for session in left_out],
    }


def _with_texts(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }
