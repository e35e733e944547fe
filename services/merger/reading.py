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


def decoded_rows(path: Path) -> Iterator[DecodedRow]:
    """Read a shard from front to back, every page of it; memory is bounded by a row group.

    Raises `DamagedOutputError` where the file is missing, of another format, or cannot be decoded.
    """
    try:
        with path.open("rb") as file:
            check_footer(read_footer(file))
        with pq.ParquetFile(path, page_checksum_verification=True) as shard:
            yield from _rows(shard, path)
    except (FooterError, pa.ArrowException, OSError) as error:
        raise DamagedOutputError(f"{path} cannot be read: {error}") from error


def _rows(shard: pq.ParquetFile, path: Path) -> Iterator[DecodedRow]:
    if not shard.schema_arrow.equals(SCHEMA, check_metadata=True):
        raise DamagedOutputError(f"{path} has another schema, or other features, than a pile")
    for group in range(shard.num_row_groups):
        for batch in shard.iter_batches(batch_size=1, row_groups=[group], use_threads=False):
            yield _row(batch, group, path)


def _row(batch: pa.RecordBatch, group: int, path: Path) -> DecodedRow:
    units = batch.column("spike_counts").flatten()
    lengths = np.unique(np.from_dlpack(units.value_lengths()))
    if len(lengths) != 1 or lengths[0] == 0:
        raise DamagedOutputError(
            f"{path}, row group {group}: a row is no matrix; its units have {lengths.tolist()} bins"
        )
    subject, session, segment, source = (batch.column(index)[0].as_py() for index in range(1, 5))
    return DecodedRow(
        source=source,
        subject=subject,
        session=session,
        segment=segment,
        row_group=group,
        n_units=len(units),
        n_bins=int(lengths[0]),
        counts=pc.sum(units.flatten()).as_py(),
    )
