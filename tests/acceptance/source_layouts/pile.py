"""A pile beside what it must hold."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.acceptance.source_layouts.layouts import SourceLayout
from tests.acceptance.source_layouts.reference import Counts

Names = tuple[str, str, str]
"""Source, subject and session."""


def require_counts(pile: Path, layouts: Iterable[SourceLayout]) -> None:
    """Require exactly the sessions of these layouts, with the counts of the reference bit for bit."""
    found = _matrices(pile)
    expected = {
        (layout.name, session.subject, session.name): layout.form.counts(session.paths)
        for layout in layouts
        for session in layout.sessions
    }
    assert _shapes(found) == _shapes(expected)
    assert [names for names in expected if not np.array_equal(found[names], expected[names])] == []


def _matrices(pile: Path) -> dict[Names, Counts]:
    """Return the counts of each session, all of which must be of one row."""
    found: dict[Names, Counts] = {}
    for path in sorted((pile / "data").iterdir()):
        for row in pq.read_table(path).to_pylist():
            names = (row["source_dataset"], row["subject_id"], row["session_id"])
            assert names not in found
            found[names] = np.array(row["spike_counts"], np.uint8)
    return found


def _shapes(matrices: dict[Names, Counts]) -> dict[Names, tuple[int, ...]]:
    return {names: matrix.shape for names, matrix in matrices.items()}
