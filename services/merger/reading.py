"""A shard as its readers see it: decoded again, one row at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.common.errors import DamagedOutputError
from services.common.schema import SCHEMA
from services.merger.footer import FooterError, read_footer
from services.merger.page_format import check_footer


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """What one row of a shard holds; `counts` is the sum over its n_units x n_bins cells."""

    source: str
    subject: str
    session: str
    segment: str
    row_group: int
    n_units: int
    n_bins: int
    counts: int

    @property
    def tokens(self) -> int:
        """Units times bins."""
        return self.n_units * self.n_bins


def decoded_rows(path: Path, *, row_group: int | None = None) -> Iterator[DecodedRow]:
    """Read a shard from front to back, every page of it; memory is bounded by a row group.

    With `row_group` only that one is read; -1 is the last. Raises `DamagedOutputError` where the file is
    missing, of another format, or cannot be decoded.
    """
    try:
        with path.open("rb") as file:
            check_footer(read_footer(file))
        with pq.ParquetFile(path, page_checksum_verification=True) as shard:
            yield from _rows(shard, path, row_group)
    except (FooterError, pa.ArrowException, OSError) as error:
        raise DamagedOutputError(f"{path} cannot be read: {error}") from error


def decoded_row(batch: pa.RecordBatch, row_group: int, file: Path | str) -> DecodedRow:
    """Return what the only row of a batch holds; raises `DamagedOutputError` where it is no matrix."""
    units = batch.column("spike_counts").flatten()
    lengths = np.unique(np.from_dlpack(units.value_lengths()))
    if len(lengths) != 1 or lengths[0] == 0:
        raise DamagedOutputError(
            f"{file}, row group {row_group}: a row is no matrix; its units have {lengths.tolist()} bins"
        )
    subject, session, segment, source = (batch.column(index)[0].as_py() for index in range(1, 5))
    return DecodedRow(
        source=source,
        subject=subject,
        session=session,
        segment=segment,
        row_group=row_group,
        n_units=len(units),
        n_bins=int(lengths[0]),
        counts=pc.sum(units.flatten()).as_py(),
    )


def _rows(shard: pq.ParquetFile, path: Path, row_group: int | None) -> Iterator[DecodedRow]:
    if not shard.schema_arrow.equals(SCHEMA, check_metadata=True):
        raise DamagedOutputError(f"{path} has another schema, or other features, than a pile")
    groups = range(shard.num_row_groups)
    for group in groups if row_group is None else groups[row_group:][:1]:
        for batch in shard.iter_batches(batch_size=1, row_groups=[group], use_threads=False):
            yield decoded_row(batch, group, path)
