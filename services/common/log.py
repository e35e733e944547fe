"""One line for each event, on stderr."""

import logging
import sys
from types import TracebackType

from services.common.errors import SpikemillError, readable
from services.common.library_variables import notice
from services.common.log_lines import JsonLines, TextLines
from services.common.masking import hide_environment
from services.common.settings import LogFormat, settings

_log = logging.getLogger(__name__)
_LINES = {LogFormat.TEXT: TextLines, LogFormat.JSON: JsonLines}


def configure_logging() -> None:
    """Write all events of our own, of the libraries only trouble, and what ends the process."""
    sys.excepthook = _tell_of_end
    hide_environment()
    handler = logging.StreamHandler()
    handler.setFormatter(_LINES[settings().log_format]())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("services").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    if line := notice():
        _log.warning("%s", line)


def _tell_of_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line why the process ends; where we said no ourselves, the text is all there is to know."""
    told = isinstance(error, SpikemillError | KeyboardInterrupt)
    _log.critical("%s", readable(error), exc_info=None if told else (kind, error, trace))
