"""The scratch folder: what a vanished process left goes, what a living one holds stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spikemill.services.common.errors import StoreError
from spikemill.services.common.settings import settings
from spikemill.services.common.store import Scratch, scratch_for
from tests.unit.common.store.small_disks import on_small_disk

_HOLD = """
import sys, time
from pathlib import Path
from spikemill.services.common.store import Scratch
from spikemill.services.common.store.scratch import SCRATCH_REMEDY
with Scratch(Path(sys.argv[1])).draft("2.1") as folder:
    (folder / "copy").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""

_FAIL = """
import sys
from pathlib import Path
from spikemill.services.common.errors import StoreError
from spikemill.services.common.store import Scratch
from spikemill.services.common.store.scratch import SCRATCH_REMEDY
from spikemill.services.common.files import writing
try:
    with Scratch(Path(sys.argv[1])).draft("1.1") as folder, writing(folder / "copy", remedy=SCRATCH_REMEDY):
        (folder / "copy").write_bytes(bytes(100_000))
except StoreError as error:
    print(error)
"""


def test_a_draft_of_a_vanished_process_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        with scratch.draft("3.1") as ours:
            assert {folder.name for folder in left.parent.iterdir()} == {left.name, ours.name}
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            with scratch.draft("4.1") as another:
                assert {folder.name for folder in left.parent.iterdir()} == {ours.name, another.name}
    assert list(left.parent.iterdir()) == []


def test_copies_that_arrive_outlast_a_process(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    copy = scratch.arrivals / "1" / "copy.nwb.partial"
    copy.parent.mkdir(parents=True)
    copy.touch()
    with scratch.draft("1.1"):
        assert copy.exists()


def test_each_store_has_a_part_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_SCRATCH", str(tmp_path))
    settings.cache_clear()
    one, other = scratch_for("s3://lab-store/a"), scratch_for("s3://lab-store/b")
    settings.cache_clear()
    assert one.root.parent == other.root.parent == tmp_path
    assert one.root != other.root


def test_without_a_setting_it_is_a_private_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = scratch_for("s3://lab-store/a").root.parent
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_scratch_folder_that_cannot_be_made_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written: Not a directory; .* SPIKEMILL_SCRATCH"):
        Scratch(tmp_path / "file").draft("1.1").__enter__()


def test_a_full_scratch_folder_is_named(tmp_path: Path) -> None:
    """The child alone sees a small disk where the folder lies."""
    arguments = [sys.executable, "-c", _FAIL, str(tmp_path)]
    ended = on_small_disk(tmp_path, arguments)
    assert f"{tmp_path}/drafts/1.1." in ended
    assert "the disk is full; make room there, or name another folder in SPIKEMILL_SCRATCH" in ended
