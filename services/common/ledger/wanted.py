"""Which jobs anybody waits for: those of an open build, within its limit."""

from sqlalchemy import ColumnElement, column, select, table

from services.common.models import Build, Job, Release, Session
from services.common.models.builds import BuildState, ReleaseState

BUILD_SESSIONS = table("build_sessions", column("build_id"), column("session_id"))
WANTED_JOBS = table("wanted_jobs", column("job_id"), column("build_id"))


def is_wanted() -> ColumnElement[bool]:
    """Return the condition that some open build needs the job."""
    return select(WANTED_JOBS.c.job_id).where(WANTED_JOBS.c.job_id == Job.id).exists()


def is_session_wanted() -> ColumnElement[bool]:
    """Return the condition that some open build still needs the session: quick also for many sessions."""
    return (
        select(BUILD_SESSIONS.c.session_id)
        .join(Release, Release.build_id == BUILD_SESSIONS.c.build_id)
        .join(Build, Build.id == Release.build_id)
        .where(BUILD_SESSIONS.c.session_id == Session.id)
        .where(Build.state == BuildState.OPEN, Release.state == ReleaseState.WAITING)
        .correlate(Session)
        .exists()
    )
