"""The metadata of row groups whose column pages are laid one after the other: values in, values out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from services.merger.footer import structures


def join_row_groups(row_groups: Sequence[Any], start: int) -> Any:
    """Return the `RowGroup` that holds all rows of the given ones, its first page at byte `start`.

    Its column chunks follow each other in schema order; in each, the pages of the given row groups follow
    each other in their order. No page is looked at, so what counts pages is left out; as in pyarrow's own
    files, so is the ordinal, whose 16 bits a file of many small rows would overflow.
    """
    columns = []
    position = start
    for parts in zip(*(row_group.columns for row_group in row_groups), strict=True):
        column = _join_columns([part.meta_data for part in parts], position)
        position += column.total_compressed_size
        columns.append(structures().ColumnChunk(file_offset=0, meta_data=column))
    return structures().RowGroup(
        columns=columns,
        total_byte_size=sum(column.meta_data.total_uncompressed_size for column in columns),
        num_rows=sum(row_group.num_rows for row_group in row_groups),
        file_offset=start,
        total_compressed_size=position - start,
    )


def _join_columns(parts: Sequence[Any], position: int) -> Any:
    first = parts[0]
    return structures().ColumnMetaData(
        type=first.type,
        encodings=first.encodings,
        path_in_schema=first.path_in_schema,
        codec=first.codec,
        num_values=sum(part.num_values for part in parts),
        total_uncompressed_size=sum(part.total_uncompressed_size for part in parts),
        total_compressed_size=sum(part.total_compressed_size for part in parts),
        data_page_offset=position,
        statistics=_join_statistics([part.statistics for part in parts], first.type),
        size_statistics=_join_sizes([part.size_statistics for part in parts]),
    )


def _join_statistics(parts: Sequence[Any], physical_type: int) -> Any:
    """Return the bounds over all parts; what one part does not know is not known of the whole.

    How many values are distinct cannot be told from the parts.
    """
    if any(part is None for part in parts):
        return None
    lowest = _bound(parts, "min_value", physical_type, min)
    highest = _bound(parts, "max_value", physical_type, max)
    return structures().Statistics(
        null_count=_total(part.null_count for part in parts),
        min_value=lowest,
        max_value=highest,
        is_min_value_exact=None if lowest is None else _all_exact(parts, "is_min_value_exact"),
        is_max_value_exact=None if highest is None else _all_exact(parts, "is_max_value_exact"),
    )


def _bound(
    parts: Sequence[Any], field: str, physical_type: int, choose: Callable[..., bytes]
) -> bytes | None:
    values = [getattr(part, field) for part in parts]
    if None in values:
        return None
    return choose(values, key=_comparable(physical_type))


def _comparable(physical_type: int) -> Callable[[bytes], int | bytes]:
    """Return how a column's values compare: counts as unsigned integers, texts by their bytes."""
    if physical_type == structures().Type.BYTE_ARRAY:
        return bytes
    return lambda value: int.from_bytes(value, "little")


def _all_exact(parts: Sequence[Any], field: str) -> bool | None:
    flags = [getattr(part, field) for part in parts]
    return None if None in flags else all(flags)


def _join_sizes(parts: Sequence[Any]) -> Any:
    """Return the sums over all parts, from which readers estimate the memory they need."""
    if any(part is None for part in parts):
        return None
    return structures().SizeStatistics(
        unencoded_byte_array_data_bytes=_total(part.unencoded_byte_array_data_bytes for part in parts),
        repetition_level_histogram=_total_histogram([part.repetition_level_histogram for part in parts]),
        definition_level_histogram=_total_histogram([part.definition_level_histogram for part in parts]),
    )


def _total(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _total_histogram(histograms: Sequence[Sequence[int] | None]) -> list[int] | None:
    if any(histogram is None for histogram in histograms):
        return None
    return [sum(levels) for levels in zip(*(h for h in histograms if h is not None), strict=True)]
