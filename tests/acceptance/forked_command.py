"""`spikemill`, forked from a process that has loaded its libraries: tests run it some five hundred times.

Run as `python -m tests.acceptance.forked_command OUT ERR ARGUMENTS...` in a fork, it becomes the command,
and says what it says into two files. Tests that stop or watch a command start the one that is installed.
"""

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from services.cli.local.children import Child
from services.cli.local.fork_server import ForkServer

COMMAND = str(Path(sys.executable).with_name("spikemill"))

Finished = subprocess.CompletedProcess[str]


def run_command(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Finished:
    """Run the command to its end."""
    with tempfile.TemporaryDirectory() as room:
        said = [Path(room, name) for name in ("out", "err")]
        child = Child(
            name="spikemill",
            command=[sys.executable, "-m", __name__, *map(str, said), *arguments],
            environment=environment,
            folder=folder,
            log=Path(room, "log"),
        )
        status = _fork_server().start(child, "").wait()
        failure = child.log.read_text()
        assert not failure, failure
        return Finished([COMMAND, *arguments], status, *(path.read_text() for path in said))


@cache
def _fork_server() -> ForkServer:
    """Give this process's server; it lives as long."""
    server = ForkServer(Path(os.devnull))
    atexit.register(server.close)
    return server


def _become_the_command(out: str, err: str, *arguments: str) -> None:
    for stream, path in enumerate((out, err), start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, stream)
        os.close(file)
    del os.environ["SPIKEMILL_WORKER"]
    sys.argv = [COMMAND, *arguments]
    sys.orig_argv[:] = [sys.executable, *sys.argv]
    # Nothing of the command may be loaded before its environment is there.
    from services.cli.entry import main  # noqa: PLC0415

    main()


if __name__ == "__main__":
    _become_the_command(*sys.argv[1:])
