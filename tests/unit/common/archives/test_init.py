"""From entries to archives and to source versions."""

from pathlib import Path
from typing import Any

import pytest

from spikemill.services.common.archives import open_archive, version_facts
from spikemill.services.common.archives.dandi import DandiArchive
from spikemill.services.common.archives.figshare import FigshareArchive
from spikemill.services.common.archives.folder import FilesArchive
from spikemill.services.common.catalog import Source, source_from_record
from spikemill.services.common.settings import Settings
from spikemill.services.common.types import Asset

SETTINGS = Settings(dandi_api="http://dandi.test/api/", figshare_api="http://figshare.test/v2")


def entry(**keys: Any) -> Source:
    public = {"species": "mouse", "license": "CC0-1.0", "redistributable": True, "citation": "us"}
    return source_from_record({"name": "s", **({} if keys["archive"] == "files" else public), **keys})


def test_each_archive_is_opened_at_its_frozen_address() -> None:
    dandi = entry(archive="dandi", identifier="000021", version="0.1.1").with_api(SETTINGS)
    figshare = entry(archive="figshare", identifier="77", version=1).with_api(SETTINGS)
    located = [open_archive(source).locate(Asset("4", "p", 1)).address for source in (dandi, figshare)]
    assert located == ["http://dandi.test/api/assets/4/download/", "http://figshare.test/v2/file/download/4"]
    assert isinstance(open_archive(dandi), DandiArchive)
    assert isinstance(open_archive(figshare), FigshareArchive)


def test_an_entrys_own_address_stays() -> None:
    own = entry(archive="dandi", identifier="000021", version="0.1.1", api="http://own.test/api")
    frozen = own.with_api(SETTINGS)
    assert frozen == own
    assert open_archive(frozen).locate(Asset("i", "p", 1)).address.startswith("http://own.test/api/")


def test_an_entry_without_an_address_is_not_opened() -> None:
    with pytest.raises(ValueError, match="not frozen"):
        open_archive(entry(archive="dandi", identifier="000021", version="0.1.1"))


def test_a_folder_is_opened_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(b"x")
    archive = open_archive(entry(archive="files", identifier=str(tmp_path)))
    assert isinstance(archive, FilesArchive)
    assert [asset.path for asset in archive.assets()] == ["a.nwb"]


def test_a_changed_folder_is_another_source_version(tmp_path: Path) -> None:
    source = entry(archive="files", identifier=str(tmp_path))
    before = version_facts(source)
    assert version_facts(source) == before
    (tmp_path / "a.nwb").write_bytes(b"x")
    assert version_facts(source) != before


def test_a_published_version_is_its_entry_alone() -> None:
    source = entry(archive="dandi", identifier="000021", version="0.1.1").with_api(SETTINGS)
    assert version_facts(source) == source.facts()
