"""What `spikemill demo` builds from: made-up recordings in a folder, or a made-up archive at an address."""

import os
from urllib.parse import urlsplit

from spikemill.services.cli.home import decide
from spikemill.services.cli.local.home import Home
from spikemill.services.common.catalog import Catalogue, load_catalogue
from spikemill.services.common.errors import CallError

_CATALOGUE = "demo"
_REQUESTS_PER_MINUTE = "60000"


def demo_catalogue(home: Home, archive: str | None) -> Catalogue:
    """Return the demo's catalogue: of the archive at an address, else of recordings made in the home.

    Raises `CallError` where the address is none, and `StoreError` where a recording cannot be written.
    """
    if archive is None:
        # Only here is HDF5 needed by the command itself.
        from spikemill.services.cli.made_up import recordings_folder  # noqa: PLC0415

        home.create()
        return load_catalogue(recordings_folder(home.path / "recordings"))
    _reach(archive.rstrip("/"))
    return load_catalogue(_CATALOGUE)


def _reach(archive: str) -> None:
    """Let this process and its workers ask the archive, and directly, whatever proxy the machine uses."""
    host = urlsplit(archive).hostname
    if host is None or not archive.startswith(("http://", "https://")):
        raise CallError(
            f"--archive {archive}: say the address that the archive says, as http://127.0.0.1:8000."
        )
    decide(
        dandi_api=f"{archive}/api",
        figshare_api=f"{archive}/v2",
        requests_per_minute=_REQUESTS_PER_MINUTE,
    )
    for name in ("NO_PROXY", "no_proxy"):
        named = os.environ.get(name)
        os.environ[name] = f"{named},{host}" if named else host
