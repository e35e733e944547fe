"""Which release of a build is asked for: one that there is, in progress or published, or a new one."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session as Transaction

from services.common.ledger.push_wishes import drop_push
from services.common.models import Release
from services.common.models.builds import ReleaseState

_STILL_MISSING = text("""
    SELECT source.name, session.key
    FROM build_sessions AS wanted
    JOIN session_states AS state ON state.session_id = wanted.session_id
    JOIN sessions AS session ON session.id = wanted.session_id
    JOIN source_versions AS source ON source.id = session.source_version_id
    WHERE wanted.build_id = :build AND state.state IN ('failed', 'waived')
""")


def wanted_release(
    transaction: Transaction, build_id: int, parameters: dict[str, Any], *, allow_missing: bool
) -> Release:
    """Return the release that is asked for, in progress or published; no other stays in progress."""
    standing = transaction.scalars(
        select(Release)
        .where(Release.build_id == build_id, Release.state != ReleaseState.OUTDATED)
        .order_by(Release.id.desc())
        .with_for_update()
    ).all()
    asked = (parameters, allow_missing)
    wanted = next((each for each in standing if (each.parameters, each.allow_missing) == asked), None)
    if wanted is not None and _misses_what_was_retried(transaction, wanted):
        wanted = None
    for release in standing:
        if release is not wanted:
            _stop_waiting_for(transaction, release)
    transaction.flush()
    if wanted is None:
        wanted = Release(
            build_id=build_id,
            state=ReleaseState.WAITING,
            parameters=parameters,
            allow_missing=allow_missing,
        )
        transaction.add(wanted)
        transaction.flush()
    return wanted


def _stop_waiting_for(transaction: Transaction, release: Release) -> None:
    """Let nobody wait for a release any more; what was published of it stands."""
    drop_push(transaction, release)
    if release.state is not ReleaseState.PUBLISHED:
        release.state = ReleaseState.OUTDATED


def _misses_what_was_retried(transaction: Transaction, release: Release) -> bool:
    """Tell whether a published release goes without a session that a person sent back to the queue since."""
    if release.state is not ReleaseState.PUBLISHED or not release.missing:
        return False
    still_missing = transaction.execute(_STILL_MISSING, {"build": release.build_id})
    return not {(left["source"], left["path"]) for left in release.missing} <= {
        (source, key) for source, key in still_missing
    }
