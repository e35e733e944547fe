"""`python -m deploy.bootstrap.joining`: run once before the workers of a further host, as root.

It hands what the first host tells to the workers, and gives them their spool.
"""

import os
import sys
from pathlib import Path

from deploy.bootstrap.cluster import ClusterError, received
from deploy.bootstrap.private_files import Owner, chown_tree, write_share

JOIN = Path("/join")
SHARE = Path("/secrets/worker")
SPOOL = Path("/spool")


def main() -> None:
    """Prepare the volumes of this host."""
    user = Owner(int(os.environ["SPIKEMILL_UID"]), int(os.environ["SPIKEMILL_GID"]))
    try:
        write_share(SHARE, received(JOIN), user)
        chown_tree(SPOOL, user)
    except (ClusterError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
