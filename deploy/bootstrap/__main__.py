"""`python -m deploy.bootstrap`: run once before the services start, as root; it may be run again at any time.

It draws the passwords that are missing, writes for each service what that one needs to know, and gives the
spool, the store and the volumes of the hub to the user that the services run as.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.bootstrap.cluster import Authority, CertificateError, Cluster, ClusterError, given_keys
from deploy.bootstrap.private_files import (
    Owner,
    OwnershipError,
    chown_store,
    chown_tree,
    how_to_run_as,
    owner_of,
    write_share,
)
from deploy.bootstrap.secret_files import Files, PasswordError, Passwords, Servers, secret_files

_ROOT = Owner(0, 0)
# The images of Postgres and Redis made this user for their servers.
_SERVER = Owner(999, 999)
_OF_SERVERS = {"postgres", "redis"}
PASSWORDS = Path("/secrets/passwords")
SHARES = Path("/secrets")
SPOOL = Path("/spool")
STORE = Path("/spikemill/var")
JOIN = Path("/join")
HUB = Path("/hub")
HUB_CACHE = Path("/hub-cache")
HUB_TOKEN = Path("/run/secrets/hub_token")
"""The token of the Hugging Face hub, where the caller gave one."""
CHECKOUT = Path("/checkout")
"""A file of the checkout, whose owner is the caller."""


def main() -> None:
    """Prepare the volumes and folders of the deployment."""
    user = Owner(int(os.environ["SPIKEMILL_UID"]), int(os.environ["SPIKEMILL_GID"]))
    try:
        caller = owner_of(CHECKOUT)
        chown_store(STORE, user, caller)
        for volume in (SPOOL, HUB, HUB_CACHE):
            chown_tree(volume, user)
        PASSWORDS.mkdir(mode=0o700, exist_ok=True)
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
    hub_token = HUB_TOKEN.read_text() if HUB_TOKEN.exists() else ""
    if not os.environ.get("SPIKEMILL_BIND"):
        return secret_files(passwords, Servers(), hub_token)
    cluster = Cluster.decided(os.environ, Authority.kept_in(PASSWORDS / "authority.pem", _ROOT))
    cluster.fill(JOIN, passwords, caller)
    return cluster.secret_files(passwords, given_keys(JOIN), hub_token)


def share_out(files_of: Mapping[str, Files], user: Owner) -> None:
    """Write the files of each share into its folder, for the user of the services that mount it."""
    for share, files in files_of.items():
        write_share(SHARES / share, files, _SERVER if share in _OF_SERVERS else user)


if __name__ == "__main__":
    main()
