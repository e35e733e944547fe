"""Every range of every file, against slices of its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from standins.archive.content import ArchiveFile
from standins.archive.storage import content_answer
from standins.wire.messages import Request

contents = st.binary(max_size=40)
positions = st.integers(min_value=0, max_value=60)


def _ask(content: bytes, asked: str) -> tuple[int, bytes]:
    answer = content_answer(Request("GET", "/", {"range": asked}), ArchiveFile("a", content), '"a"')
    body = b"".join(answer.pieces())
    assert len(body) == answer.length
    return answer.status, body


@given(contents, positions, positions)
def test_first_to_last(content: bytes, first: int, last: int) -> None:
    expected = content[first : last + 1]
    status, body = _ask(content, f"bytes={first}-{last}")
    assert (status, body) == (206, expected) if expected else status == 416


@given(contents, positions)
def test_from_there_on(content: bytes, first: int) -> None:
    status, body = _ask(content, f"bytes={first}-")
    assert (status, body) == (206, content[first:]) if content[first:] else status == 416


@given(contents, positions)
def test_the_last_bytes(content: bytes, count: int) -> None:
    expected = content[-count:] if count else b""
    status, body = _ask(content, f"bytes=-{count}")
    assert (status, body) == (206, expected) if expected else status == 416
