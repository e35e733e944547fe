"""The made-up hub as an HTTP server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.demo.hub.access import Access, Role
from services.demo.hub.disk import held_folder
from services.demo.hub.hub import NO_MULTIPART, PAGE_SIZE, PART_SIZE, Hub, Limits
from services.demo.hub.site import HubSite
from services.demo.wire.scripted_server import LOOPBACK, ScriptedServer


class HubServer(ScriptedServer):
    """The hub's server: its address, the faults that it is told to have, and what was asked of it.

    `Kind` has the patterns of all kinds of requests.
    """

    def __init__(self, hub: Hub, host: str = LOOPBACK, port: int = 0) -> None:
        """Bind to an address, of which port 0 is any free port; raises `CallError` where it cannot be had."""
        self._hub = hub
        super().__init__(HubSite(hub).answer, host, port)

    @property
    def xet_bytes(self) -> int:
        """How many bytes of content clients have put into the Xet store."""
        return self._hub.xet.stored_bytes


@contextmanager
def serve_hub(
    folder: Path,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    token: str | Mapping[str, Role] | None = None,
    multipart_above: int | None = None,
    part_size: int = PART_SIZE,
    page_size: int = PAGE_SIZE,
) -> Iterator[HubServer]:
    """Serve the repositories in a folder on a thread of this process, as long as the context lasts.

    Without any token everybody may write; else a token's role says what it is good for. Contents above
    `multipart_above` bytes are uploaded in parts, lists come in pages.
    """
    tokens = {token: Role.WRITE} if isinstance(token, str) else token or {}
    limits = Limits(NO_MULTIPART if multipart_above is None else multipart_above, part_size, page_size)
    with held_folder(folder):
        server = HubServer(Hub(folder, Access(tokens), limits), host, port)
        with server.running():
            yield server
