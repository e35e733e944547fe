"""Files of a made-up archive: their digests and ids."""

import os
from pathlib import Path

import pytest

from standins.archive.content import ArchiveFile, Digests, ListedContent

REAL = Path(os.environ.get("SPIKEMILL_REAL_NWB", Path(__file__).parents[4] / "shared" / "nwb"))
JENKINS = REAL / "dandi000140_sub-Jenkins_ses-small_desc-test_ecephys.nwb"


def test_content_may_be_a_file_or_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(os.urandom(200_000))
    in_memory, on_disk = ArchiveFile("a", path.read_bytes()), ArchiveFile("a", path)
    assert in_memory.digests == on_disk.digests
    assert in_memory.asset_id == on_disk.asset_id
    assert in_memory.size == on_disk.size == 200_000
    with on_disk.open() as content:
        assert content.read() == in_memory.content


def test_a_file_that_is_only_listed_has_a_size_and_digests_and_cannot_be_read() -> None:
    digests = Digests("md5", "sha256", "etag-1")
    listed = ArchiveFile("a", ListedContent(5_000_000_000, digests))
    assert (listed.size, listed.digests) == (5_000_000_000, digests)
    with pytest.raises(FileNotFoundError, match="a is only listed here"):
        listed.open()


def test_the_digests_of_a_published_asset_are_those_that_dandi_gives() -> None:
    if not JENKINS.exists():
        pytest.skip(f"the published asset is not there: {JENKINS}")
    digests = ArchiveFile("sub-Jenkins/a.nwb", JENKINS).digests
    assert digests.dandi_etag == "5a38a16b91d0fd1e71fd41dc03fbe372-1"
    assert digests.sha256 == "ca8a0bef5f189eafb9db1961d617e065cb461360718fde1c16a538922a6fa5fe"


def test_ids_follow_path_and_content() -> None:
    one, same, moved, changed = (
        ArchiveFile("a", b"1"),
        ArchiveFile("a", b"1"),
        ArchiveFile("b", b"1"),
        ArchiveFile("a", b"2"),
    )
    assert one.asset_id == same.asset_id
    assert len({file.asset_id for file in (one, moved, changed)}) == 3
    assert one.blob_id == moved.blob_id != changed.blob_id
    assert ArchiveFile("a", b"1", asset_id="544a660e-a173-46f3-985a-60fd67e6ae1f").asset_id.startswith(
        "544a660e"
    )
