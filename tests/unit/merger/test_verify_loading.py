"""Loading both ends of a pile with `datasets`: silent where it reads what we read, a sentence where not.

Most trials run in this process; what their own process is for is tested with it.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.row_format import WRITER_OPTIONS
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.provenance import PileRecord, parse_provenance, pile_in_folder
from spikemill.services.merger.pushing import require_loadable
from spikemill.services.merger.verify import LoadingCheckError, loading_problems, verify_pile
from tests.unit.merger.generated_piles import GeneratedSession, make_session, write_pile

pytestmark = pytest.mark.slow

TRAIN = "data/train-00000-of-00001.parquet"
TEST = "data/test-00001-of-00002.parquet"
READER = f"datasets {version('datasets')}"
NO_TEST = MergeParameters(seed=3, test_fraction=0, shard_bytes=9_000)


def record_of(pile: Path) -> PileRecord:
    return parse_provenance((pile / "provenance.jsonl").read_bytes()).pile


def files_of(pile: Path) -> dict[str, Path]:
    found = (path for path in pile.rglob("*") if path.is_file() and path.name != "provenance.jsonl")
    return {path.relative_to(pile).as_posix(): path for path in found}


def checked(pile: Path) -> list[str]:
    """Return the problems of a trial in its own process."""
    return [str(finding) for finding in loading_problems(files_of(pile), record_of(pile).split)]


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[str]]:
    """Give the trial itself."""
    import datasets  # noqa: PLC0415 - a second to load, and few tests need it here

    from spikemill.services.merger.loading_trial import problems  # noqa: PLC0415 - loads it too

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    def trial(pile: Path) -> list[str]:
        split = record_of(pile).split
        rows = {"train": split.train_rows, "test": split.test_rows}
        given = {name: number for name, number in rows.items() if number}
        return [str(problem) for problem in problems(pile, given, tmp_path / "cache")]

    return trial


Trial = Callable[[Path], list[str]]


def one_session(tmp_path: Path, *, rows: int, parameters: MergeParameters = NO_TEST) -> Path:
    session = make_session(tmp_path / "store", SessionKey("vcn", "sub-1", "ses-1"), rows=rows)
    write_pile(tmp_path / "pile", [session], parameters)
    return tmp_path / "pile"


def test_a_pile_of_two_splits_and_several_shards(pile: Path, tried: Trial) -> None:
    assert tried(pile) == []
    assert checked(pile) == []


def test_a_pile_of_one_split(tmp_path: Path, sessions: list[GeneratedSession], tried: Trial) -> None:
    write_pile(tmp_path / "pile", sessions, NO_TEST)
    assert len(record_of(tmp_path / "pile").shards) > 1
    assert tried(tmp_path / "pile") == []


def test_a_pile_of_one_row(tmp_path: Path, tried: Trial) -> None:
    assert tried(one_session(tmp_path, rows=1)) == []


def test_a_pile_without_its_card(pile: Path, tried: Trial) -> None:
    (pile / "README.md").unlink()
    assert tried(pile) == []


def spoil_pages(path: Path, row_group: int) -> None:
    """Overwrite the counts of a row group with zeros, which no page begins with."""
    column = pq.read_metadata(path).row_group(row_group).column(0)
    data = bytearray(path.read_bytes())
    end = column.data_page_offset + column.total_compressed_size
    data[column.data_page_offset : end] = bytes(column.total_compressed_size)
    path.write_bytes(data)


def test_what_lies_between_the_ends_is_not_read(tmp_path: Path, tried: Trial) -> None:
    pile = one_session(tmp_path, rows=60)
    first, *middle, last = sorted((pile / "data").iterdir())
    assert middle
    for path in middle:
        path.write_bytes(os.urandom(path.stat().st_size))
    for path, kept in ((first, 0), (last, -1)):
        groups = range(pq.read_metadata(path).num_row_groups)
        assert len(groups) > 1
        for group in set(groups) - {groups[kept]}:
            spoil_pages(path, group)
    assert tried(pile) == []


@pytest.mark.parametrize(("shard", "row_group"), [(TRAIN, 0), (TRAIN, -1), (TEST, -1)])
def test_the_first_and_the_last_row_group_are_read(
    pile: Path, tried: Trial, shard: str, row_group: int
) -> None:
    path = pile / shard
    spoil_pages(path, range(pq.read_metadata(path).num_row_groups)[row_group])
    (finding,) = tried(pile)
    assert finding.startswith(f"{shard}: {READER} cannot read it: OSError: ")


def lose_a_shard(pile: Path) -> list[str]:
    (pile / TRAIN).unlink()
    return [f"README.md: {READER} cannot read the pile: ValueError: Couldn't infer the same data"]


def put_garbage_in_place_of_a_shard(pile: Path) -> list[str]:
    (pile / TRAIN).write_bytes(bytes(5_000))
    return [f"{TRAIN}: {READER} cannot read it: ArrowInvalid: "]


def write_other_counts(pile: Path) -> list[str]:
    wide = pa.list_(pa.list_(pa.int16()))
    table = pq.read_table(pile / TRAIN)
    column = table.column("spike_counts").cast(wide)
    pq.write_table(table.set_column(0, "spike_counts", column).replace_schema_metadata(), pile / TRAIN)
    return [f"{TRAIN}: {READER} sees the features {{'spike_counts': List(List(Value('int16')))"]


def name_a_feature_that_nobody_knows(pile: Path) -> list[str]:
    rewrite(pile / TRAIN, SCHEMA.metadata[b"huggingface"].replace(b"Sequence", b"Tensor"))
    return [f"{TRAIN}: {READER} cannot read it: ValueError: Feature type 'Tensor' not found"]


def change_the_features_of_the_card(pile: Path) -> list[str]:
    edit(pile / "README.md", "sequence: uint8", "sequence: int64")
    seen = f"{READER} sees the features {{'spike_counts': List(List(Value('int64')))"
    return [f"README.md: {seen}", f"README.md: {seen}"]


def change_a_number_of_rows(pile: Path) -> list[str]:
    edit(pile / "README.md", "num_examples: 6", "num_examples: 7")
    return [f"README.md: number of rows in train: 6; {READER} expects 7"]


def hide_a_shard(pile: Path) -> list[str]:
    edit(pile / "README.md", "path: data/test-*", "path: data/test-00000*")
    return [f"README.md: number of files in test: 2; {READER} finds 1"]


def hide_a_split(pile: Path) -> list[str]:
    edit(pile / "README.md", "  - split: test\n    path: data/test-*\n", "")
    return [f"README.md: {READER} finds the splits ['train'], not ['test', 'train']"]


def rewrite(path: Path, features: bytes) -> None:
    table = pq.read_table(path).replace_schema_metadata({"huggingface": features})
    with pq.ParquetWriter(path, table.schema, **WRITER_OPTIONS) as writer:
        for start in range(0, len(table), 5):
            writer.write_table(table.slice(start, 5))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    "spoil",
    [
        lose_a_shard,
        put_garbage_in_place_of_a_shard,
        write_other_counts,
        name_a_feature_that_nobody_knows,
        change_the_features_of_the_card,
        change_a_number_of_rows,
        hide_a_shard,
        hide_a_split,
    ],
)
def test_what_was_spoiled_is_named(pile: Path, tried: Trial, spoil: Callable[[Path], list[str]]) -> None:
    expected = spoil(pile)
    found = tried(pile)
    assert len(found) == len(expected), found
    assert all(finding.startswith(start) for finding, start in zip(found, expected, strict=True)), found
    assert str(pile) not in "".join(found)


def test_rows_that_differ_are_named(tmp_path: Path, tried: Trial) -> None:
    sessions = [
        make_session(tmp_path / "store", SessionKey("vcn", "sub-1", f"ses-{n}"), rows=2) for n in (1, 2)
    ]
    pile = tmp_path / "pile"
    write_pile(pile, sessions, MergeParameters(seed=3, test_fraction=1e-9))
    edit(pile / "README.md", "path: data/train-*", "path: data/other-*")
    edit(pile / "README.md", "path: data/test-*", "path: data/train-*")
    edit(pile / "README.md", "path: data/other-*", "path: data/test-*")
    found = tried(pile)
    assert len(found) == 4
    assert found[0].startswith(f"data/test-00000-of-00001.parquet: {READER} reads vcn/sub-1/ses-")
    assert " where spikemill reads vcn/sub-1/ses-" in found[0]


def test_features_in_the_form_of_new_releases_are_ours_to_find(pile: Path, tried: Trial) -> None:
    """See that `datasets` reads both forms, so that only our own reader can tell them apart."""
    rewrite(pile / TRAIN, SCHEMA.metadata[b"huggingface"].replace(b"Sequence", b"List"))
    assert tried(pile) == []
    assert any("key_value_metadata of the file is" in str(finding) for finding in verify_pile(pile))


def test_the_name_of_the_folder_means_nothing(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lay a pile where `load_dataset` would take its path for a pattern, an address or an archive."""
    pile.rename(tmp_path / "a[1]*::y.zip")
    monkeypatch.chdir(tmp_path)
    assert list(verify_pile(Path("a[1]*::y.zip"))) == []


_VERIFY = """\
import sys
from pathlib import Path
from spikemill.services.merger.verify import verify_pile
print(*verify_pile(Path(sys.argv[1])), sep="\\n")
"""
_GUARD = """\
import os, pathlib, socket, sys

def refuse(*arguments, **_):
    pathlib.Path({asked!r}).write_text(repr(arguments))
    raise OSError("no network here")

socket.getaddrinfo = refuse
socket.socket.connect = socket.socket.connect_ex = refuse
pathlib.Path({loaded!r}, str(os.getpid())).write_text(repr(sys.orig_argv))
"""


def test_nothing_is_asked_and_nothing_left_whatever_the_environment_says(pile: Path, tmp_path: Path) -> None:
    """Run it where each name that steers `datasets` leads to a trap, and each connection is noted."""
    traps = ("HOME", "HF_HOME", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "XDG_CACHE_HOME", "TMPDIR")
    folders = {name: tmp_path / "traps" / name for name in traps}
    guard, loaded, asked = tmp_path / "guard", tmp_path / "loaded", tmp_path / "asked"
    for folder in (*folders.values(), guard, loaded):
        folder.mkdir(parents=True)
    (guard / "sitecustomize.py").write_text(_GUARD.format(asked=str(asked), loaded=str(loaded)))
    with socket.create_server(("127.0.0.1", 0)) as hub:
        address = f"http://127.0.0.1:{hub.getsockname()[1]}"
        environment = {
            **os.environ,
            **{name: str(folder) for name, folder in folders.items()},
            "HF_ENDPOINT": address,
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_VERBOSITY": "debug",
            "HF_TOKEN": "hf_a_secret",
            "http_proxy": address,
            "PYTHONPATH": os.pathsep.join((str(guard), str(Path.cwd()))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        program = [sys.executable, "-c", _VERIFY, str(pile)]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
        hub.settimeout(0)
        with pytest.raises(BlockingIOError):
            hub.accept()
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    assert any("loading_trial" in note.read_text() for note in loaded.iterdir())
    assert not asked.exists()
    assert [path for folder in folders.values() for path in folder.rglob("*")] == []


def test_a_trial_that_is_killed_ran_out_of_memory(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "datasets.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MemoryError, match="killed, probably for memory"):
        checked(pile)


def test_too_little_memory_is_no_finding(pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets.py").write_text("raise MemoryError('malloc of size 64 failed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MemoryError, match="malloc of size 64 failed"):
        checked(pile)


def test_a_trial_that_fails_by_itself_is_told(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "datasets.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LoadingCheckError, match=r"trial with datasets failed .*: ModuleNotFoundError"):
        checked(pile)


def test_what_cannot_be_loaded_is_not_pushed(tmp_path: Path) -> None:
    pile = one_session(tmp_path, rows=60)
    record = record_of(pile)
    require_loadable(pile_in_folder(pile))
    (pile / record.shards[-1].name).write_bytes(bytes(9_000))
    with pytest.raises(
        DamagedOutputError, match=f"would not give what was merged. {record.shards[-1].name}: "
    ):
        require_loadable(pile_in_folder(pile))
