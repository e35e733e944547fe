"""Where the folders of the package are found."""

from pathlib import Path

import pytest

import spikemill
from spikemill.services.common import files
from spikemill.services.common.errors import CallError


def test_a_folder_at_the_checkouts_top_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some-folder").mkdir()
    monkeypatch.setattr(files, "_CHECKOUT", tmp_path)
    assert files.resource_folder("some-folder") == tmp_path / "some-folder"


def test_the_wheels_own_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services").mkdir()
    monkeypatch.setattr(files, "_CHECKOUT", tmp_path)
    assert files.resource_folder("services") == Path(spikemill.__file__).parent / "services"


def test_a_folder_that_is_nowhere_is_named() -> None:
    with pytest.raises(CallError, match="'no-such-folder' is missing"):
        files.resource_folder("no-such-folder")
