"""A worker looks at its store before it starts: with a wrong one it would only make jobs fail."""

import logging
import sys
from typing import Any

from celery import signals

from services.common.database import engine
from services.common.errors import SpikemillError, readable
from services.common.log import configure_logging
from services.common.settings import settings
from services.common.storage.claiming import require_store
from services.common.storage.opening import close_store

_log = logging.getLogger(__name__)
_WRONG_STORE = 2


def look_before_start() -> None:
    """Let a worker end with one line where its store is wrong, as by its credentials or its ledger."""
    signals.worker_init.connect(_look)


def _look(**_: Any) -> None:
    if settings().store is None:
        return
    configure_logging()
    try:
        require_store()
    except SpikemillError as error:
        _log.critical("%s", readable(error))
        sys.exit(_WRONG_STORE)
    finally:
        # Nothing that is connected may be forked.
        close_store()
        engine().dispose()
