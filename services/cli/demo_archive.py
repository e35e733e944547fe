"""The made-up archive beside a demo build: at the same address each time, for that is part of a source."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from services.cli.format import complain
from services.cli.local.engine import running_address
from services.cli.local.home import Home
from services.common.errors import CallError
from services.demo.archive import MadeUpArchive
from services.demo.holdings import demo_archive
from services.demo.server import ArchiveServer, serve

_PATIENCE = 10.0
_LOOPBACK = "127.0.0.1,localhost"


@contextmanager
def served_archive(home: Home) -> Iterator[ArchiveServer]:
    """Serve the demo's archive on the port that this home had before; its recordings lie in `DIR/archive`."""
    home.create()
    archive = demo_archive(home.path / "archive")
    with ExitStack() as stack:
        # Two demos in one home would take each other's port.
        with home.locked(patience=0.0 if running_address(home) else _PATIENCE):
            server = _serve(archive, home.state / "demo-port", stack)
        _pass_by_proxies()
        yield server


def _pass_by_proxies() -> None:
    """Let this process and its workers reach the archive directly, whatever proxy the machine uses."""
    for name in ("NO_PROXY", "no_proxy"):
        named = os.environ.get(name)
        os.environ[name] = f"{named},{_LOOPBACK}" if named else _LOOPBACK


def _serve(archive: MadeUpArchive, remembered: Path, stack: ExitStack) -> ArchiveServer:
    """Listen on the remembered port, else on a free one, which is then remembered."""
    port = int(remembered.read_text()) if remembered.exists() else 0
    try:
        server = stack.enter_context(serve(archive, port=port))
    except CallError:
        if port == 0:
            raise
        complain(
            f"Port {port} is taken by another program: the archive moves, so everything is fetched again."
        )
        server = stack.enter_context(serve(archive))
    remembered.write_text(f"{urlsplit(server.url).port}\n")
    return server
