"""Parts cover what was asked for, in its order, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.binner.readers.base import ByteSpan
from spikemill.services.binner.remote.remote_file import LARGEST_PART, SMALLEST_PART, cut_parts

SPANS = st.lists(st.builds(ByteSpan, st.integers(0, 1 << 40), st.integers(0, 64 << 20)), max_size=20)
CONNECTIONS = st.integers(1, 16)


@given(SPANS, CONNECTIONS)
def test_parts_are_the_spans_in_their_order(spans: list[ByteSpan], connections: int) -> None:
    parts = cut_parts(spans, connections)

    assert _stretches(parts) == _stretches(spans)


@given(SPANS, CONNECTIONS)
def test_no_part_is_empty_or_larger_than_a_window_may_hold(spans: list[ByteSpan], connections: int) -> None:
    assert all(0 < part.length <= LARGEST_PART for part in cut_parts(spans, connections))


def test_a_place_may_lie_before_a_span_in_it_or_behind_it() -> None:
    span = ByteSpan(10, 5)

    behind = [span.behind(offset) for offset in (0, 12, 15, 20)]

    assert behind == [span, ByteSpan(12, 3), ByteSpan(15, 0), ByteSpan(15, 0)]


def test_small_neighbours_are_one_request() -> None:
    chunks = [ByteSpan(1000 + 4096 * number, 4096) for number in range(50)]

    assert cut_parts(chunks, 8) == [ByteSpan(1000, 50 * 4096)]


def test_neighbours_in_the_file_that_are_read_in_another_order_stay_apart() -> None:
    spans = [ByteSpan(4096, 4096), ByteSpan(0, 4096)]

    assert cut_parts(spans, 8) == spans


def test_all_connections_have_work() -> None:
    parts = cut_parts([ByteSpan(0, 40 << 20)], 8)

    assert len(parts) == 16
    assert max(part.length for part in parts) - min(part.length for part in parts) < SMALLEST_PART


def test_a_last_round_of_too_few_parts_is_cut_for_all_connections() -> None:
    mebibyte = 1 << 20
    chunks = [ByteSpan(100 * mebibyte * number, 8 * mebibyte) for number in range(9)]

    lengths = [part.length // mebibyte for part in cut_parts(chunks, 8)]

    assert lengths == [4] * 16 + [1] * 8


def _stretches(spans: list[ByteSpan]) -> list[tuple[int, int]]:
    """Return the spans joined wherever one begins at the end of the one before."""
    joined: list[tuple[int, int]] = []
    for span in spans:
        if span.length and joined and joined[-1][1] == span.offset:
            joined[-1] = (joined[-1][0], span.end)
        elif span.length:
            joined.append((span.offset, span.end))
    return joined
