"""Programs of Python, forked from a process that has loaded what they use: tests run some thousand of them.

What is run is what `python -m MODULE ARGUMENTS...` would run. Where the start itself is tested, or what is
loaded, or what a variable does that is read at the start, the test starts a Python of its own.
"""

import atexit
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from spikemill.services.cli.local.children import Child, ForkedProcess
from spikemill.services.cli.local.fork_server import ForkServer

Finished = subprocess.CompletedProcess[str]

CHECKOUT = Path(__file__).parents[2]


def run_program(
    module: str, *arguments: str, environment: Mapping[str, str] = os.environ, folder: Path = CHECKOUT
) -> Finished:
    """Run a program to its end."""
    with tempfile.TemporaryDirectory() as room:
        out, err = Path(room, "out"), Path(room, "err")
        process = _start((module, *arguments), out, err, environment, folder)
        try:
            status = process.wait()
        except BaseException:
            process.kill()
            raise
        return Finished([sys.executable, "-m", module, *arguments], status, out.read_text(), err.read_text())


def start_program(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] = os.environ,
    folder: Path = CHECKOUT,
    log: Path,
) -> ForkedProcess:
    """Start a program that says all that it says into a log."""
    return _start((module, *arguments), log, log, environment, folder)


def _start(
    program: Sequence[str], out: Path, err: Path, environment: Mapping[str, str], folder: Path
) -> ForkedProcess:
    command = [sys.executable, "-m", __name__, str(out), *program]
    return _fork_server().start(Child(program[0], command, environment, folder, log=err), "")


@cache
def _fork_server() -> ForkServer:
    """Give this process's server; it lives as long."""
    server = ForkServer(Path(os.devnull))
    atexit.register(server.close)
    return server


def _become(out: str, module: str, *arguments: str) -> None:
    """Be the program that was asked for, as if nothing had been loaded for it."""
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, sys.stdout.fileno())
    os.close(file)
    # The supervisor of an engine names its children; who runs a program does not.
    del os.environ["SPIKEMILL_WORKER"]
    sys.argv = [module, *arguments]
    sys.orig_argv[:] = [sys.executable, "-m", *sys.argv]
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become(*sys.argv[1:])
