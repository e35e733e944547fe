"""What a push changes: pure."""

import hashlib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.merger.hub.push import SmallFile, blob_id
from spikemill.services.merger.hub.repository import HubFile, PileFile, difference

CONTENTS = st.sampled_from([b"", b"a", b"b", b"c"])
SHARDS = st.dictionaries(st.sampled_from(["data/1.parquet", "data/2.parquet", "data/3.parquet"]), CONTENTS)
PAPERS = st.fixed_dictionaries({"README.md": CONTENTS, "provenance.jsonl": CONTENTS})
PICTURES = st.sets(st.sampled_from(["pictures/a.png", "pictures/b.png"]))
ANY_PATH = st.sampled_from(
    [
        "data/1.parquet",
        "data/4.parquet",
        "data/deep/5.txt",
        "data",
        "pictures/a.png",
        "pictures/c.png",
        "README.md",
        "provenance.jsonl",
        "LICENSE",
        "database/1.parquet",
        ".gitattributes",
    ]
)
PRESENT = st.dictionaries(ANY_PATH, st.tuples(CONTENTS, st.booleans()))


def shard(path: str, content: bytes) -> PileFile:
    return PileFile(path, len(content), hashlib.sha256(content).hexdigest())


def at_hub(content: bytes, *, large: bool) -> HubFile:
    sha256 = hashlib.sha256(content).hexdigest() if large else None
    return HubFile(len(content), f"pointer to {sha256}" if large else blob_id(content), sha256)


def is_ours(path: str) -> bool:
    return path.partition("/")[0] in ("data", "pictures", "README.md", "provenance.jsonl")


@given(SHARDS, PAPERS, PICTURES, PRESENT)
def test_after_a_push_the_repository_is_the_pile_and_what_was_not_ours(
    shards: Mapping[str, bytes],
    papers: Mapping[str, bytes],
    pictures: set[str],
    present: Mapping[str, tuple[bytes, bool]],
) -> None:
    files = [
        *(shard(path, content) for path, content in shards.items()),
        *(SmallFile(path, content).file for path, content in papers.items()),
    ]
    before = {path: at_hub(content, large=large) for path, (content, large) in present.items()}

    change = difference(files, sorted(pictures), before)

    after = {path: file for path, file in before.items() if path not in change.deleted}
    for path in change.uploaded:
        after[path] = at_hub({**shards, **papers}[path], large=path in shards)
    after |= {path: at_hub(b"drawn", large=True) for path in change.drawn}
    assert {path for path in after if is_ours(path)} == {*shards, *papers, *pictures}
    assert all(file.equals(after[file.path]) for file in files)
    assert {path for path in after if not is_ours(path)} == {path for path in before if not is_ours(path)}
    assert difference(files, sorted(pictures), after).is_empty
    assert set(change.kept) == {*shards, *papers, *pictures} - set(change.uploaded) - set(change.drawn)
    assert change.is_empty == (before == after)


def test_a_shard_that_git_holds_itself_is_another_one() -> None:
    content = b"a"
    change = difference([shard("data/1", content)], [], {"data/1": at_hub(content, large=False)})

    assert change.uploaded == {"data/1": 1}


def test_pictures_are_drawn_anew_only_with_something_else() -> None:
    old = {"data/1": at_hub(b"a", large=True), "pictures/a.png": at_hub(b"old", large=True)}

    assert difference([shard("data/1", b"a")], ["pictures/a.png"], old).is_empty
    assert difference([shard("data/1", b"b")], ["pictures/a.png"], old).drawn == ("pictures/a.png",)


def test_sizes_are_counted_and_names_are_told() -> None:
    files = [shard(f"data/{number}", b"abc") for number in range(7)]

    change = difference(files, [], {"data/old": at_hub(b"a", large=True)})

    assert change.bytes_to_upload == 21
    assert change.deleted == {"data/old": 1}
    assert str(change) == "data/0, data/1, data/2, data/3, data/4 and 3 more"


def test_gits_name_for_bytes() -> None:
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
