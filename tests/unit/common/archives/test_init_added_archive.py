"""An archive is one module, one table and one entry: the example of CONTRIBUTING, taken literally."""

import hashlib
import json
from pathlib import Path
from typing import cast

import pytest

from spikemill.services.cli.plan import list_source
from spikemill.services.common.archives import open_archive
from spikemill.services.common.catalog import load_catalogue, schema, source_from_record
from spikemill.services.common.catalog.schema import ARCHIVES, ArchiveEntry
from spikemill.services.common.errors import AssetError, CatalogueError
from spikemill.services.common.rate_limit import Unlimited
from spikemill.services.common.settings import Settings
from spikemill.services.downloader.download import fetch_asset
from tests.samples.contributing import example, load_example_module, registry_entry
from tests.servers.scripted_api import Reply, serve_script

BYTES = b"spikes"


@pytest.fixture
def web_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the table and the module of the example, and make its entry in the registry."""
    names = dict(vars(schema))
    exec(example("class WebFolderSource"), names)  # noqa: S102 - the page of this checkout
    monkeypatch.setattr(schema, "WebFolderSource", names["WebFolderSource"], raising=False)
    load_example_module("services/common/archives/web_folder.py", monkeypatch)
    entry = registry_entry("web-folder", names)
    monkeypatch.setitem(ARCHIVES, "web-folder", cast("ArchiveEntry", entry))


def catalogue(folder: Path, address: str, *more: str) -> Path:
    """Write a catalogue of such a folder."""
    path = folder / "web.toml"
    lines = ["[pile]", 'name = "web"', "[[source]]", 'name = "web"', 'archive = "web-folder"']
    keys = [f'identifier = "{address}"', 'version = "v2"', 'species = "mouse"', 'license = "CC0-1.0"']
    path.write_text("\n".join([*lines, *keys, "redistributable = true", 'citation = "us"', *more, ""]))
    return path


def test_without_its_entry_the_archive_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match='archive: "web-folder" is not known; one of dandi, figshare'):
        load_catalogue(catalogue(tmp_path, "http://web.test"))


@pytest.mark.usefixtures("web_folder")
def test_its_keys_are_checked_as_those_of_every_archive(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r'source "web", identifier: .*https://'):
        load_catalogue(catalogue(tmp_path, "ftp://web.test"))
    with pytest.raises(CatalogueError, match="allow_draft: only a source of dandi has this key"):
        load_catalogue(catalogue(tmp_path, "http://web.test", "allow_draft = true"))


@pytest.mark.usefixtures("web_folder")
def test_a_source_of_it_is_listed_kept_in_the_ledger_and_copied(tmp_path: Path) -> None:
    digests = {"sha256": hashlib.sha256(BYTES).hexdigest()}
    listed = {"asset_id": "1", "path": "sub-1/a b.nwb", "size": len(BYTES), "digests": digests}
    with serve_script() as api:
        api.answers("/v2/index.json", *[Reply(json.dumps([listed]).encode())] * 2)
        api.answers("/v2/sub-1/a%20b.nwb", Reply(BYTES))
        [source] = load_catalogue(catalogue(tmp_path, api.address)).sources
        kept = source_from_record(source.with_api(Settings()).model_dump(mode="json"))

        listing = list_source(kept, Unlimited())
        assert (listing.assets, listing.sessions, listing.version, listing.requests) == (1, 1, "v2", 1)
        archive = open_archive(kept)
        [asset] = archive.assets()
        assert archive.resolve(asset).address == f"{api.address}/v2/sub-1/a%20b.nwb"
        fetched = fetch_asset(archive, asset, tmp_path)
    assert fetched.path.read_bytes() == BYTES


@pytest.mark.usefixtures("web_folder")
def test_an_answer_of_another_form_is_refused(tmp_path: Path) -> None:
    with serve_script() as api:
        api.answers("/v2/index.json", Reply(b'[{"path": "a.nwb"}]'))
        [source] = load_catalogue(catalogue(tmp_path, api.address)).sources
        with pytest.raises(AssetError, match=r"is not what its API documents: 0\.asset_id"):
            list(open_archive(source).assets())
