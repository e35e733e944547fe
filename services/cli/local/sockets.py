"""A private folder for unix sockets: their paths are bound to 107 bytes, and a home may lie deeper."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.cli.local.home import Home
from services.cli.local.plain_user import PlainUser

# Not TMPDIR: it may be long, and closed to the user that Postgres runs as.
_PARENT = Path("/tmp").resolve()  # noqa: S108 - mkdtemp makes a private folder in it
_PREFIX = "spikemill-"


@contextmanager
def socket_folder(home: Home, user: PlainUser | None) -> Iterator[Path]:
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
