"""The window over what is expected: the right bytes, in parallel, bounded, whatever the order of reads."""

import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.binner.readers.base import ByteSpan
from spikemill.services.binner.remote.remote_file import LARGEST_PART, ReadAhead
from spikemill.services.common.errors import NetworkError

CONNECTIONS = 3
CONTENT = bytes(range(256)) * 4096


class Source:
    """An object of repeated bytes, without end, that counts what is asked of it."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.asked: list[tuple[int, int]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()

    def fill(self, offset: int, view: memoryview) -> None:
        """Fill the view; count who is here."""
        with self.lock:
            self.asked.append((offset, len(view)))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        start = offset % 256
        view[:] = (CONTENT * (len(view) // len(CONTENT) + 2))[start : start + len(view)]
        with self.lock:
            self.at_once -= 1


@contextmanager
def reading(source: Source) -> Iterator[ReadAhead]:
    ahead = ReadAhead(source.fill, CONNECTIONS)
    try:
        yield ahead
    finally:
        ahead.close()


def read_all(ahead: ReadAhead, offset: int, length: int) -> bytes:
    """Read until the length is reached."""
    content = bytearray(length)
    done = 0
    while done < length:
        count = ahead.read(offset + done, memoryview(content)[done:])
        assert count > 0
        done += count
    return bytes(content)


def expected(offset: int, length: int) -> bytes:
    return bytes((offset + place) % 256 for place in range(length))


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 3000)), min_size=1, max_size=8),
    st.integers(1, 700),
)
def test_what_was_expected_is_read_in_any_pieces(gaps: list[tuple[int, int]], piece: int) -> None:
    spans, end = [], 0
    for gap, length in gaps:
        spans.append(ByteSpan(end + gap, length))
        end = spans[-1].end
    with reading(Source()) as ahead:
        ahead.expect(spans)
        for span in spans:
            for offset in range(span.offset, span.end, piece):
                length = min(piece, span.end - offset)
                assert read_all(ahead, offset, length) == expected(offset, length)


def test_what_was_not_expected_is_not_there() -> None:
    with reading(Source()) as ahead:
        ahead.expect([ByteSpan(100, 50)])

        assert ahead.read(0, memoryview(bytearray(10))) == 0
        assert read_all(ahead, 100, 50) == expected(100, 50)
        assert ahead.read(100, memoryview(bytearray(10))) == 0, "read once, it makes room"


def test_a_later_part_may_be_read_first_and_what_was_before_it_is_given_up() -> None:
    spans = [ByteSpan(number * 1000, 10) for number in range(20)]
    with reading(Source()) as ahead:
        ahead.expect(spans)

        assert read_all(ahead, 15_000, 10) == expected(15_000, 10)
        assert ahead.read(3_000, memoryview(bytearray(10))) == 0
        assert read_all(ahead, 16_000, 10) == expected(16_000, 10)


def test_no_more_is_held_than_the_window_and_no_more_threads_fetch_than_connections() -> None:
    source = Source()
    with reading(source) as ahead:
        ahead.expect([ByteSpan(0, 12 * CONNECTIONS * LARGEST_PART)])
        ahead.read(0, memoryview(bytearray(1)))

        assert len(source.asked) <= CONNECTIONS + 2
    assert source.most_at_once <= CONNECTIONS


def test_nothing_is_held_when_it_is_closed() -> None:
    tracemalloc.start()
    try:
        with reading(Source()) as ahead:
            ahead.expect([ByteSpan(0, 2 * CONNECTIONS * LARGEST_PART)])
            ahead.read(0, memoryview(bytearray(1)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < LARGEST_PART


def test_an_error_of_a_fetch_is_the_readers() -> None:
    def fail(offset: int, view: memoryview) -> None:
        raise NetworkError(f"{offset} and {len(view)} more could not be had.")

    ahead = ReadAhead(fail, CONNECTIONS)
    ahead.expect([ByteSpan(7, 100)])
    with pytest.raises(NetworkError, match="7 and 100 more"):
        ahead.read(7, memoryview(bytearray(100)))
    ahead.close()
