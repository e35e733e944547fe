"""Files to be published, and what is known of them."""

import hashlib
from pathlib import Path

from spikemill.services.common.store import Store

NAME = "chunks/a/chunk.parquet"


def publish(store: Store, content: bytes = b"counts", name: str = NAME) -> str:
    """Publish some bytes as a job does, from a draft; return their sha256."""
    sha256 = hashlib.sha256(content).hexdigest()
    with store.draft("1.1") as folder:
        local = folder / Path(name).name
        local.write_bytes(content)
        store.publish(local, name, sha256=sha256, size=len(content))
    return sha256


def bytes_of(store: Store, name: str = NAME) -> bytes:
    """Read a published file as a whole."""
    with store.local(name) as path:
        return path.read_bytes()
