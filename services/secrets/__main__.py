"""`python -m services.secrets`: run once before the services start, as root; it may be run again at any time.

It draws the passwords that are missing, writes for each service what that one needs to know, and gives the
spool and the store to the user that the services run as.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from services.secrets.addresses import Servers
from services.secrets.certificates import Authority, CertificateError
from services.secrets.cluster import Cluster, ClusterError, given_keys
from services.secrets.ownership import (
    OwnershipError,
    hand_over,
    hand_over_store,
    how_to_run_as,
    owner_of,
)
from services.secrets.passwords import PasswordError, Passwords
from services.secrets.private_files import Owner, write_share
from services.secrets.shares import Files, shares

_ROOT = Owner(0, 0)
# The images of Postgres and Redis made this user for their servers.
_SERVER = Owner(999, 999)
_OF_SERVERS = {"postgres", "redis"}

PASSWORDS = Path("/secrets/passwords")
SHARES = Path("/secrets")
SPOOL = Path("/spool")
STORE = Path("/spikemill/var")
JOIN = Path("/join")
CHECKOUT = Path("/checkout")
"""A file of the checkout, whose owner is the caller."""


def main() -> None:
    """Prepare the volumes and folders of the deployment."""
    user = Owner(int(os.environ["SPIKEMILL_UID"]), int(os.environ["SPIKEMILL_GID"]))
    try:
        caller = owner_of(CHECKOUT)
        hand_over_store(STORE, user, caller)
        hand_over(SPOOL, user)
        share_out(prepared(Passwords.kept_in(PASSWORDS, _ROOT), caller), user)
    except (CertificateError, ClusterError, OSError, OwnershipError, PasswordError) as error:
        sys.exit(str(error))
    if caller.uid not in {user.uid, _ROOT.uid}:
        print(  # noqa: T201 - the log of a one-shot
            f"This checkout belongs to user {caller.uid}, but the pile will belong to user {user.uid}. "
            f"{how_to_run_as(caller)}"
        )


def prepared(passwords: Passwords, caller: Owner) -> Mapping[str, Files]:
    """Return the files of each share; where other hosts may join, their folder is filled as well."""
    if not os.environ.get("SPIKEMILL_BIND"):
        return shares(passwords, Servers())
    cluster = Cluster.decided(os.environ, Authority.kept_in(PASSWORDS / "authority.pem", _ROOT))
    cluster.fill(JOIN, passwords, caller)
    return cluster.shares(passwords, given_keys(JOIN))


def share_out(files_of: Mapping[str, Files], user: Owner) -> None:
    """Write the files of each share into its volume, for the user of the services that mount it."""
    for share, files in files_of.items():
        write_share(SHARES / share, files, _SERVER if share in _OF_SERVERS else user)


if __name__ == "__main__":
    main()
