"""One digest for a whole pile."""

from hashlib import sha256
from pathlib import Path

from spikemill.services.merger.provenance import pile_digest


def write(pile: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder, in the given order."""
    for name, content in files.items():
        (pile / name).parent.mkdir(parents=True, exist_ok=True)
        (pile / name).write_bytes(content)
    return pile


def test_it_is_the_digest_of_sorted_names_and_digests(tmp_path: Path) -> None:
    pile = write(tmp_path, {"data/b": b"2", "README.md": b"1"})
    lines = f"README.md {sha256(b'1').hexdigest()}\ndata/b {sha256(b'2').hexdigest()}\n"
    assert pile_digest(pile) == sha256(lines.encode()).hexdigest()


def test_place_and_order_do_not_matter_but_names_and_bytes_do(tmp_path: Path) -> None:
    files = {"data/a": b"1", "data/b": b"2"}
    pile = pile_digest(write(tmp_path / "one", files))
    assert pile == pile_digest(write(tmp_path / "two", dict(reversed(files.items()))))
    (tmp_path / "link").symlink_to("one")
    assert pile == pile_digest(tmp_path / "link")
    assert pile != pile_digest(write(tmp_path / "three", {"data/a": b"2", "data/b": b"1"}))
