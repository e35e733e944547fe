"""Starts Python children at once: they are forked from a process that has loaded what all of them need.

`ForkServer` is the supervisor's side. Its program, `python -m ...fork_server SOCKET`, loads modules and
connects to nothing; each line on the socket asks for a child. It dies with the supervisor, and the children
die with it.
"""

import errno
import gc
import json
import os
import queue
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from setproctitle import setproctitle

from spikemill.services.cli.local.children import Child, ForkedProcess, launch_command
from spikemill.services.cli.local.launch import die_with

_MODULE = "spikemill.services.cli.local.fork_server"
# What the sweeper and every worker load; none of it starts a thread, or looks at a setting.
_PRELOADED = (
    *("celery.app.amqp", "celery.app.control", "celery.app.events", "celery.apps.worker"),
    *("celery.concurrency.prefork", "celery.events.dispatcher", "celery.fixups", "celery.loaders.app"),
    *("celery.worker.autoscale", "celery.worker.components", "celery.worker.consumer"),
    *("celery.worker.consumer.delayed_delivery", "celery.worker.strategy", "kombu.transport.redis"),
    *("psycopg", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.orm"),
    *(
        "spikemill.services.common.ledger.dispatch",
        "spikemill.services.common.store",
        "spikemill.services.common.worker.runner",
    ),
    *("spikemill.services.common.worker.kinds", "spikemill.services.common.process"),
)
# It has nothing to end but itself.
_SECONDS_TO_END = 5.0
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class _Request:
    """A child to start: a module with its arguments, and what `subprocess` would need to know."""

    module: str
    arguments: list[str]
    environment: Mapping[str, str]
    folder: str
    log: str
    death_signal: int


class ForkServer:
    """Starts children; the process that they are forked from, whose log is `log`, starts with the first."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._connection: _Connection | None = None

    def start(self, child: Child, worker: str) -> ForkedProcess:
        """Start a child whose command is `python -m MODULE ...`; raises OSError where that cannot be done."""
        # Where the child could not open its log, the reason would be lost.
        child.log.open("ab").close()
        module, *arguments = child.command[2:]
        environment = {**child.environment, "SPIKEMILL_WORKER": worker}
        folder, log = str(child.folder), str(child.log)
        request = _Request(module, arguments, environment, folder, log, int(child.death_signal))
        with self._lock:
            if self._connection is None or not self._connection.is_alive():
                self._connection = _Connection(self._log)
                self._connection.start()
            return self._connection.request(request)

    def close(self) -> None:
        """End the process that children are forked from."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()


class _Connection(threading.Thread):
    """One run of the program: the kernel's death signal follows this thread, which lives as long."""

    def __init__(self, log: Path) -> None:
        super().__init__(name="fork server", daemon=True)
        self._log = log
        self._ours, self._theirs = socket.socketpair()
        self._answers: queue.SimpleQueue[ForkedProcess | OSError] = queue.SimpleQueue()
        self._running: dict[int, ForkedProcess] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, request: _Request) -> ForkedProcess:
        # Where the program has ended, its end is the answer.
        with suppress(OSError):
            self._ours.sendall(json.dumps(asdict(request)).encode() + b"\n")
        answer = self._answers.get()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self.join(_SECONDS_TO_END)
        if self._process is not None:
            self._process.kill()
        self.join()

    def run(self) -> None:
        """Start the program and note what it reports of its children until it ends."""
        end = OSError(f"the process that it is forked from has ended; its log is {self._log}")
        try:
            with self._theirs, self._log.open("ab") as log:
                self._process = self._start(log.fileno())
            with self._ours.makefile("rb") as lines:
                for line in lines:
                    self._note(**json.loads(line))
            self._process.wait()
        except OSError as error:
            end = error
        finally:
            self._ours.close()
            for forked in self._running.values():
                forked.end(-signal.SIGKILL)
            self._answers.put(end)

    def _start(self, log: int) -> "subprocess.Popen[bytes]":
        number = self._theirs.fileno()
        return subprocess.Popen(  # noqa: S603 - this Python, and a program of ours
            launch_command([sys.executable, "-m", _MODULE, str(number)], user=None),
            env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[number],
            start_new_session=True,
        )

    def _note(self, *, pid: int = 0, status: int | None = None, fault: int | None = None) -> None:
        if fault is not None:
            self._answers.put(OSError(fault, os.strerror(fault)))
        elif status is None:
            self._running[pid] = ForkedProcess(pid)
            self._answers.put(self._running[pid])
        else:
            self._running.pop(pid).end(status)


def main(number: int) -> None:
    """Load modules and fork children until the supervisor has gone; in a child, run the module."""
    # The title's place is found beside the environment, which a child replaces.
    setproctitle(f"{sys.executable} -m {_MODULE}")
    gc.disable()
    for name in _PRELOADED:
        import_module(name)
    # What is loaded stays, and stays shared: the collector would write into every page of it.
    gc.freeze()
    gc.enable()
    with socket.socket(fileno=number) as connection:
        request = _serve(connection)
    if request is not None:
        setproctitle(" ".join((sys.executable, "-m", request.module, *request.arguments)))
        sys.argv = [request.module, *request.arguments]
        # A module that is loaded already would make Python warn, or fail where warnings are errors.
        sys.modules.pop(request.module, None)
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _serve(connection: socket.socket) -> _Request | None:
    """Fork a child for each request; return it in the child, and nothing at the end of the connection."""
    server, pending = os.getpid(), b""
    with _ended_children() as ended, selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == ended:
                    os.read(ended, _CHUNK)
                    _report_ended(connection)
                    continue
                if not (received := connection.recv(_CHUNK)):
                    return None
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    request = _Request(**json.loads(line))
                    try:
                        pid = os.fork()
                    except OSError as error:
                        # Too many processes, or too little memory: those that run go on.
                        _report(connection, fault=error.errno or errno.EAGAIN)
                        continue
                    if pid == 0:
                        _prepare(request, server)
                        return request
                    _report(connection, pid=pid)


@contextmanager
def _ended_children() -> Iterator[int]:
    """Give the number of a file that can be read when a child has ended."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, before)
        os.close(readable)
        os.close(writable)


def _report_ended(connection: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _report(connection, pid=ended[0], status=os.waitstatus_to_exitcode(ended[1]))


def _report(connection: socket.socket, **message: int) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _prepare(request: _Request, server: int) -> None:
    """Do in a child what `subprocess` and `launch` do for others."""
    os.setsid()
    die_with(server, request.death_signal)
    log = os.open(request.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)


if __name__ == "__main__":
    main(int(sys.argv[1]))
