"""Becomes a child of the engine: as the right user, and bound to die with the supervisor.

Run as a script with an isolated interpreter, `launch.py SUPERVISOR_PID DEATH_SIGNAL USER COMMAND...`, it
replaces itself by the command. USER is `-` for the supervisor's own. The steps need a process of their own: a
fork in a process with threads may run no Python before its exec. To be fast, it imports nothing of spikemill.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127


def main(arguments: list[str]) -> None:
    """Set the process up and replace it by the command."""
    supervisor, death_signal, user, *command = arguments
    try:
        if user != "-":
            entry = pwd.getpwnam(user)
            os.initgroups(user, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        die_with(int(supervisor), int(death_signal))
        os.execv(command[0], command)  # noqa: S606 - the command is the engine's own
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        sys.exit(_CANNOT_START)


def die_with(supervisor: int, death_signal: int) -> None:
    """Have the kernel send the signal when the supervisor is gone; a change of user would clear it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit(_CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
