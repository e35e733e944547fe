"""Chunks are believed when every byte was seen, and seen again when the file has changed."""

import os
from pathlib import Path

import pytest

from spikemill.services.common.errors import StoreError
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.shards import ChunkStore, DamagedChunkError
from tests.unit.merger.generated_piles import GeneratedSession, make_session


@pytest.fixture
def session(tmp_path: Path) -> GeneratedSession:
    return make_session(tmp_path, SessionKey("vcn", "sub-1", "ses-1"))


def test_a_verified_chunk_is_read_again_only_after_it_changed(session: GeneratedSession) -> None:
    chunks = ChunkStore(FolderStore(session.store))
    sha256 = session.rows[0].chunk_sha256
    chunks.verify(session.chunk, sha256)
    status = session.path.stat()
    data = bytearray(session.path.read_bytes())
    data[10] ^= 1
    session.path.write_bytes(data)
    os.utime(session.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    chunks.verify(session.chunk, sha256)  # same file, size and time: believed without a look
    os.utime(session.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(DamagedChunkError, match="was changed"):
        chunks.verify(session.chunk, sha256)


def test_another_digest_is_never_believed(session: GeneratedSession) -> None:
    chunks = ChunkStore(FolderStore(session.store))
    chunks.verify(session.chunk, session.rows[0].chunk_sha256)
    with pytest.raises(DamagedChunkError, match="was changed"):
        chunks.verify(session.chunk, "0" * 64)


def test_pages_that_end_too_early_are_refused(session: GeneratedSession) -> None:
    size = session.path.stat().st_size
    with pytest.raises(DamagedChunkError, match="ends 1 bytes too early"):
        ChunkStore(FolderStore(session.store)).pages(session.chunk, 4, size - 3)


def test_a_folder_in_place_of_a_chunk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chunk").mkdir()
    with pytest.raises(DamagedChunkError, match="Is a directory"):
        ChunkStore(FolderStore(tmp_path)).verify("chunk", "0")


def test_a_store_that_cannot_be_read_is_not_taken_for_damage(tmp_path: Path) -> None:
    (tmp_path / "chunk").symlink_to("chunk")
    with pytest.raises(StoreError, match="Is the store in order"):
        ChunkStore(FolderStore(tmp_path)).verify("chunk", "0")
