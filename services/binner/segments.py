"""How a session is cut into rows of about 10 million tokens."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.common.data_format import TOKENS_PER_ROW


@dataclass(frozen=True, slots=True)
class Segment:
    """The bins [first_bin, stop_bin) of a session, which become one row."""

    index: int
    first_bin: int
    stop_bin: int

    @property
    def segment_id(self) -> str:
        """The segment's name in the dataset."""
        return f"segment_{self.index}"

    @property
    def n_bins(self) -> int:
        """The number of bins."""
        return self.stop_bin - self.first_bin


def cut_segments(n_units: int, n_bins: int, limit: int = TOKENS_PER_ROW) -> Iterator[Segment]:
    """Cut a session of n_units x n_bins tokens into segments of equal length, the last one shorter.

    By the two ceilings, which the published dataset has, a row can pass the limit by a few tokens, and one
    row fewer than planned may hold everything.
    """
    n_rows = -(-n_units * n_bins // limit)
    length = -(-n_bins // n_rows)
    for index, first_bin in enumerate(range(0, n_bins, length)):
        yield Segment(index, first_bin, min(first_bin + length, n_bins))
