"""Which jobs anybody waits for: those of an open build, within its limit."""

from sqlalchemy import ColumnElement, column, select, table

from services.common.models import Job

BUILD_SESSIONS = table("build_sessions", column("build_id"), column("session_id"))
WANTED_JOBS = table("wanted_jobs", column("job_id"), column("build_id"))


def is_wanted() -> ColumnElement[bool]:
    """Return the condition that some open build needs the job."""
    return select(WANTED_JOBS.c.job_id).where(WANTED_JOBS.c.job_id == Job.id).exists()
