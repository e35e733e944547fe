"""How a command fails: one readable line on stderr, and the exit status that goes with it."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.printing import complain
from services.common.errors import CallError, SpikemillError, readable

FAILED, WRONG_CALL, INTERRUPTED = 1, 2, 130


@contextmanager
def failures_told(*, debug: bool) -> Iterator[None]:
    """Turn what the block raises into a line and an exit; the traceback is shown only for `debug`."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Interrupted.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        complain(_text(error, debug=debug))
        sys.exit(WRONG_CALL if isinstance(error, CallError) else FAILED)


def _text(error: Exception, *, debug: bool) -> str:
    text = readable(error)
    if isinstance(error, SpikemillError):
        return text
    # Loaded by whatever can lose a connection; a wrong call should not have to wait for it.
    from services.common.database import is_connection_lost  # noqa: PLC0415

    first_line = next(iter(text.splitlines()), "")
    if is_connection_lost(error):
        return f"The ledger cannot be reached: {first_line}"
    return first_line if debug else f"{first_line} (run it again with --debug to see where)"
