"""Planned rows for tests that need no files."""

from hypothesis import strategies as st

from spikemill.services.common.types import PlannedRow


def make_row(source: str, session: int, segment: int, tokens: int = 10, size: int = 10) -> PlannedRow:
    """Make a row of one of 31 sessions; sessions share four subjects."""
    return PlannedRow(
        source=source,
        subject=f"sub-{session % 4}",
        session=f"ses-{session}",
        segment=f"segment_{segment}",
        tokens=tokens,
        compressed_bytes=size,
        chunk=f"chunks/{source}/{session}.parquet",
        row_group=segment,
        chunk_sha256=f"{session:064x}",
    )


names = st.tuples(st.sampled_from(["vcn", "shield"]), st.integers(0, 30), st.integers(0, 5))
rows = st.sets(names, min_size=1, max_size=60).map(lambda found: [make_row(*name) for name in sorted(found)])
