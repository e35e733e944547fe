"""The ledger's own Postgres: a cluster in the home, reached over a unix socket only."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from services.cli.local.children import Child, Patience, StopStep, bare_environment, launch_command
from services.cli.local.errors import EngineError
from services.cli.local.home import Home
from services.cli.local.keeper import last_line
from services.cli.local.plain_user import PlainUser
from services.cli.local.postgres_programs import PostgresPrograms, choose_programs, reachable_programs
from services.cli.local.supervisor import Supervisor
from services.common.folders import sync_folder

_NAME = "postgres"
_ROLE = "spikemill"
_DATABASE = "spikemill"
_PORT = 5432
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Files, not /dev/shm: containers make that tiny, and a log-out may clear it (systemd's RemoveIPC).
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "cluster_name": "spikemill",
}


def database_url(sockets: Path, database: str = _DATABASE) -> str:
    """Return the address of a database of the cluster."""
    return f"postgresql://{_ROLE}@/{database}?host={sockets}&port={_PORT}"


@contextmanager
def running_postgres(
    home: Home, sockets: Path, user: PlainUser | None, supervisor: Supervisor
) -> Iterator[str]:
    """Keep the home's Postgres running, and give the address of its database."""
    programs = choose_programs(home.clusters())
    if user is not None:
        programs = reachable_programs(programs, user, home.state)
    cluster = _cluster(home, programs, user)
    with supervisor.running(_child(home, programs, cluster, sockets, user)):
        supervisor.wait_until(lambda: _accepts(sockets))
        _create_database(sockets)
        yield database_url(sockets)


def _cluster(home: Home, programs: PostgresPrograms, user: PlainUser | None) -> Path:
    """Return the cluster of this version; made aside and renamed, so that half of one is never used."""
    cluster = home.state / f"postgres-{programs.major}"
    if cluster.is_dir():
        return cluster
    aside = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    if user is not None:
        os.chown(aside, user.uid, user.gid)
    _initialise(home, programs, aside, user)
    aside.rename(cluster)
    sync_folder(home.state)
    return cluster


def _initialise(home: Home, programs: PostgresPrograms, folder: Path, user: PlainUser | None) -> None:
    """Run initdb; its socket stands in a folder of mode 0700, so who comes in needs no password."""
    options = ["--auth=trust", f"--username={_ROLE}", "--encoding=UTF8", "--locale=C", "--data-checksums"]
    command = [str(programs.initdb), *options, f"--pgdata={folder}"]
    log = home.log(_NAME)
    with log.open("ab") as output:
        ended = subprocess.run(  # noqa: S603 - the command is the engine's own
            launch_command(command, user=user),
            cwd=folder,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineError(
            f"Postgres could not make the ledger in {folder}: {last_line(log)}; its log is {log}"
        )


def _child(
    home: Home, programs: PostgresPrograms, cluster: Path, sockets: Path, user: PlainUser | None
) -> Child:
    """Return the server as a child: INT is its fast stop, QUIT the one that recovers at the next start."""
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Child(
        name=_NAME,
        command=[str(programs.postgres), "-D", str(cluster), *options],
        environment=bare_environment(),
        folder=cluster,
        log=home.log(_NAME),
        user=user,
        death_signal=signal.SIGINT,
        stop_steps=(StopStep(signal.SIGINT, 60.0), StopStep(signal.SIGQUIT, 10.0)),
        # The server of a killed supervisor may still be writing its checkpoint.
        patience=Patience(span=120.0),
    )


def _accepts(sockets: Path) -> bool:
    """Tell whether the server takes connections; after a crash it replays its log first."""
    try:
        with psycopg.connect(database_url(sockets, "postgres"), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _create_database(sockets: Path) -> None:
    """Make the database where it is missing."""
    with psycopg.connect(database_url(sockets, "postgres"), autocommit=True) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone()
        if there is None:
            connection.execute(f"CREATE DATABASE {_DATABASE}")
