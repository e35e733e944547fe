"""The plain user that Postgres runs as where spikemill is run by root: Postgres refuses root.

What a user may reach is found out by a real process of that user, never by reading modes.
"""

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cli.local.home import Home
from services.common.errors import CallError

_SYSTEM_USERS = ("postgres", "nobody")
_FIRST_CLOSED = 'for folder in "$@"; do [ -x "$folder" ] || { printf %s "$folder"; exit 0; }; done'


@dataclass(frozen=True, slots=True)
class PlainUser:
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
        """Return the first folder on the way into `folder` that the user may not enter, or None."""
        way = [*reversed(folder.parents), folder]
        found = self.run(["/bin/sh", "-c", _FIRST_CLOSED, "sh", *map(str, way)]).stdout
        return Path(found) if found else None

    def can_run(self, program: Path) -> bool:
        """Tell whether the program starts as this user."""
        try:
            return self.run([str(program), "--version"]).returncode == 0
        except OSError:
            return False


def user_of(uid: int) -> PlainUser | None:
    """Return the user with this id, or None for root and for an id without a name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return PlainUser(entry.pw_name, entry.pw_uid, entry.pw_gid) if uid else None


def candidates(home: Home) -> Iterator[PlainUser]:
    """Yield who might run Postgres: the owner of the home, who called sudo, then users of the system."""
    uids = [home.path.stat().st_uid, int(os.environ.get("SUDO_UID", "0"))]
    names = [entry.pw_name for entry in pwd.getpwall()]
    uids += [pwd.getpwnam(name).pw_uid for name in _SYSTEM_USERS if name in names]
    users = (user_of(uid) for uid in dict.fromkeys(uids))
    return (user for user in users if user is not None)


def user_for(home: Home) -> PlainUser | None:
    """Return the user that Postgres runs as in this home: None means as ourselves.

    Raises:
        CallError: No user can reach the home, or an existing cluster belongs to somebody else.
    """
    clusters = home.clusters()
    owner = clusters[-1].stat().st_uid if clusters else None
    if os.geteuid() != 0:
        _refuse_foreign(home, owner)
        return None
    _open_for_passage(home.state)
    users = candidates(home) if owner is None else filter(None, [user_of(owner)])
    return _reaching(home, users)


def _open_for_passage(folder: Path) -> None:
    """Let other users through the folder, whatever root's umask was."""
    folder.chmod(folder.stat().st_mode | 0o011)


def _refuse_foreign(home: Home, owner: int | None) -> None:
    """Say whose ledger this is, where it is not ours."""
    if owner is not None and owner != os.geteuid():
        user = user_of(owner)
        raise CallError(
            f"the ledger in {home.path} belongs to user {user.name if user else owner}: "
            "run as root or as that user, or give another --home"
        )


def _reaching(home: Home, users: Iterator[PlainUser]) -> PlainUser:
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
