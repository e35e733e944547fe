"""A folder as an archive, and the fingerprint that tells a changed one."""

import os
from pathlib import Path

import pytest

from spikemill.services.common.archives.folder import FilesArchive, listing_fingerprint
from spikemill.services.common.errors import AssetError, CallError
from spikemill.services.common.types import Asset


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_are_listed_by_the_bytes_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.nwb", "a/z.nwb", "a.nwb", "B.nwb", "a-b/ä.nwb"):
        write(tmp_path / name, name.encode())
    assert [asset.path for asset in FilesArchive(tmp_path).assets()] == [
        "B.nwb",
        "a-b/ä.nwb",
        "a.nwb",
        "a/z.nwb",
        "b.nwb",
    ]


def test_an_asset_has_its_path_as_id_and_no_digest(tmp_path: Path) -> None:
    write(tmp_path / "sub-1" / "a.nwb", b"12345")
    assert list(FilesArchive(tmp_path).assets()) == [Asset("sub-1/a.nwb", "sub-1/a.nwb", 5)]


def test_links_to_files_are_files_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    target = write(tmp_path / "outside" / "a.nwb", b"12345")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.nwb").symlink_to(target)
    (folder / "loop").symlink_to(folder)
    assert list(FilesArchive(folder).assets()) == [Asset("link.nwb", "link.nwb", 5)]


@pytest.mark.parametrize("target", ["nowhere", "broken.nwb"])
def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path: Path, target: str) -> None:
    (tmp_path / "broken.nwb").symlink_to(target)
    archive = FilesArchive(tmp_path)
    assert [asset.path for asset in archive.assets()] == ["broken.nwb"]
    with pytest.raises(AssetError, match=r"broken\.nwb was removed .* is a broken link"):
        archive.locate(Asset("broken.nwb", "broken.nwb", 1))


def test_an_asset_is_read_where_it_lies(tmp_path: Path) -> None:
    write(tmp_path / "a.nwb")
    location = FilesArchive(tmp_path).locate(Asset("a.nwb", "a.nwb", 1))
    assert location.is_local
    assert location.address == str(tmp_path / "a.nwb")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"a\.nwb was removed"):
        FilesArchive(tmp_path).locate(Asset("a.nwb", "a.nwb", 1))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="nowhere is not a folder"):
        list(FilesArchive(tmp_path / "nowhere").assets())


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.nwb")).write_bytes(b"x")
    except OSError:
        pytest.skip("this disk takes no such names")
    with pytest.raises(AssetError, match="rename"):
        list(FilesArchive(tmp_path).assets())


def test_a_folder_that_may_not_be_read_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "closed" / "a.nwb")
    (tmp_path / "closed").chmod(0)
    try:
        if os.access(tmp_path / "closed", os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(AssetError, match="closed cannot be read"):
            list(FilesArchive(tmp_path).assets())
        (tmp_path / "closed").chmod(0o400)
        with pytest.raises(AssetError, match=r"closed/a\.nwb cannot be read"):
            list(FilesArchive(tmp_path).assets())
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_folder_that_may_not_be_reached_is_named(tmp_path: Path) -> None:
    write(tmp_path / "closed" / "folder" / "a.nwb")
    archive = FilesArchive(tmp_path / "closed" / "folder")
    (tmp_path / "closed").chmod(0)
    try:
        if os.access(tmp_path / "closed", os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(CallError, match="folder is not a folder that can be read"):
            list(archive.assets())
        with pytest.raises(AssetError, match=r"a\.nwb .* may not be read"):
            archive.locate(Asset("a.nwb", "a.nwb", 1))
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_the_fingerprint_tells_a_changed_folder(tmp_path: Path) -> None:
    file = write(tmp_path / "a.nwb", b"12345")
    os.utime(file, ns=(1, 1))
    seen = [listing_fingerprint(tmp_path, ["**/*.nwb"])]
    os.utime(file, ns=(1, 2))
    seen.append(listing_fingerprint(tmp_path, ["**/*.nwb"]))
    write(file, b"123456")
    os.utime(file, ns=(1, 2))
    seen.append(listing_fingerprint(tmp_path, ["**/*.nwb"]))
    os.utime(write(tmp_path / "b.nwb"), ns=(1, 2))
    seen.append(listing_fingerprint(tmp_path, ["**/*.nwb"]))
    assert len(set(seen)) == 4


def test_the_fingerprint_is_of_the_selected_files_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.nwb")
    before = listing_fingerprint(tmp_path, ["**/*.nwb"], ["**/*_raw.nwb"])
    write(tmp_path / "notes.txt")
    write(tmp_path / "a_raw.nwb")
    assert listing_fingerprint(tmp_path, ["**/*.nwb"], ["**/*_raw.nwb"]) == before
