"""Sessions are cut into rows as the published dataset is."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.binner.chunks import Segment, cut_segments


@given(st.integers(1, 5000), st.integers(1, 3000), st.integers(1, 200_000))
def test_segments_cover_every_bin_once(n_units: int, n_bins: int, limit: int) -> None:
    segments = list(cut_segments(n_units, n_bins, limit))
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert segments[0].first_bin == 0
    assert segments[-1].stop_bin == n_bins
    for one, following in itertools.pairwise(segments):
        assert one.stop_bin == following.first_bin
        assert one.n_bins == segments[0].n_bins
    assert 1 <= segments[-1].n_bins <= segments[0].n_bins
    assert len(segments) <= -(-n_units * n_bins // limit)


def test_a_session_of_exactly_the_limit_is_one_row() -> None:
    assert list(cut_segments(1000, 10_000)) == [Segment(0, 0, 10_000)]


def test_one_token_more_makes_two_rows() -> None:
    assert [segment.n_bins for segment in cut_segments(1, 10_000_001)] == [5_000_001, 5_000_000]


def test_the_published_iurilli_session_has_39_rows_of_9842_bins() -> None:
    segments = list(cut_segments(1013, 383_802))
    assert len(segments) == 39
    assert segments[0].n_bins == 9842


def test_an_empty_last_row_is_not_made() -> None:
    assert [segment.n_bins for segment in cut_segments(10, 9, limit=25)] == [3, 3, 3]


def test_more_units_than_tokens_in_a_row_give_rows_of_one_bin() -> None:
    segments = list(cut_segments(11_000_000, 3))
    assert [segment.n_bins for segment in segments] == [1, 1, 1]
    assert [segment.segment_id for segment in segments] == ["segment_0", "segment_1", "segment_2"]
