"""Copies that are under way: kept, published, thrown away, never shared."""

from pathlib import Path

from spikemill.services.downloader.download import open_partial


def test_bytes_and_etag_stay_for_the_next_attempt(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as partial:
        partial.restart('"tag"')
        partial.append(b"12345")
    with open_partial(tmp_path / "a.nwb") as partial:
        assert (partial.size, partial.etag) == (5, '"tag"')
        partial.append(b"67")
        partial.settle()
        assert partial.path.read_bytes() == b"1234567"


def test_a_restart_forgets_bytes_and_etag(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as partial:
        partial.restart('"tag"')
        partial.append(b"12345")
        partial.restart(None)
        partial.append(b"ab")
    with open_partial(tmp_path / "a.nwb") as partial:
        assert (partial.size, partial.etag) == (2, None)


def test_publishing_leaves_the_named_file_alone(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as partial:
        partial.restart('"tag"')
        partial.append(b"12345")
        partial.settle()
        partial.publish(tmp_path / "a.nwb")
    assert [path.name for path in tmp_path.iterdir()] == ["a.nwb"]
    assert (tmp_path / "a.nwb").read_bytes() == b"12345"


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as partial:
        partial.restart('"tag"')
        partial.append(b"12345")
        partial.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_gets_a_file_of_its_own(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as first, open_partial(tmp_path / "a.nwb") as second:
        assert first.path != second.path
        first.append(b"first")
        second.append(b"second")
        second.settle()
        second.publish(tmp_path / "a.nwb")
        first.settle()
        assert first.path.read_bytes() == b"first"
        assert (tmp_path / "a.nwb").read_bytes() == b"second"


def test_the_file_is_free_again_when_its_writer_is_gone(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as first:
        name = first.path
    with open_partial(tmp_path / "a.nwb") as second:
        assert second.path == name


def test_a_published_file_is_not_written_by_who_waited_for_its_lock(tmp_path: Path) -> None:
    with open_partial(tmp_path / "a.nwb") as first:
        first.append(b"first")
        first.settle()
        first.publish(tmp_path / "a.nwb")
        with open_partial(tmp_path / "a.nwb") as second:
            assert second.size == 0
            second.append(b"second")
    assert (tmp_path / "a.nwb").read_bytes() == b"first"
