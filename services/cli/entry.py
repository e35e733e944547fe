"""Where the command begins: Ctrl-C ends it in a sentence even while its modules load."""

import sys

from spikemill.services.common.library_variables import notice, pass_over

_INTERRUPTED = 130


def main() -> None:
    """Load the command and run it."""
    pass_over()
    if line := notice():
        sys.stderr.write(f"{line}\n")
    try:
        # Somebody may change their mind while it loads.
        from spikemill.services.cli.main import main as run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.stderr.write("Stopped before anything was started.\n")
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
