"""Where copies of assets lie until their session is binned."""

import shutil
from pathlib import Path

from services.common.database import transaction
from services.common.errors import CallError
from services.common.ledger import rooms
from services.common.settings import settings


def spool_folder() -> Path:
    """Return the folder of the spool."""
    folder = settings().spool
    if folder is None:
        raise CallError("There is no spool: set SPIKEMILL_SPOOL to a folder that all workers share.")
    return folder


def session_folder(identity: str) -> Path:
    """Return the folder for the copies of one session."""
    return spool_folder() / identity


def drop_copies(identity: str) -> None:
    """Remove a session's copies, if it holds no room any more; what is gone already is no error."""
    # The session stays locked, so that it cannot be admitted while its old files go.
    with transaction() as ledger:
        if rooms.lock_idle_session(ledger, identity):
            shutil.rmtree(session_folder(identity), ignore_errors=True)


def sweep_spool() -> None:
    """Remove copies of sessions that hold no room: they are done, dead, waived, or start again."""
    if settings().spool is None or not spool_folder().is_dir():
        return
    for folder in spool_folder().iterdir():
        drop_copies(folder.name)
