"""The footer of a Parquet file, read and written whole: what a reader does not know is refused, not lost."""

import struct
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any, BinaryIO

import thriftpy2
from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.transport import TMemoryBuffer

MAGIC = b"PAR1"
_TAIL = struct.Struct("<I4s")
# More than a footer of a hundred row groups takes.
_LIKELY_SIZE = 128 * 1024

_memory: Callable[..., Any] = TMemoryBuffer  # thriftpy2 has no types


class FooterError(Exception):
    """The bytes are no Parquet footer, or one of a later format than `parquet_footer.thrift`."""


@lru_cache(maxsize=1)
def structures() -> Any:
    """Return the structures of `parquet_footer.thrift`, as classes of one module."""
    with as_file(files("services.merger") / "parquet_footer.thrift") as definition:
        return thriftpy2.load(str(definition), module_name="parquet_footer_thrift")


class _KnownFieldsOnly(TCompactProtocol):
    """The compact protocol, where a field that the definition lacks is an error."""

    def skip(self, ttype: int) -> None:
        """Refuse: a skipped field would be missing in what is written later."""
        raise FooterError(f"it holds a field of Thrift type {ttype} that this version does not know")


_protocol: Callable[[Any], Any] = _KnownFieldsOnly


def read_footer(file: BinaryIO) -> Any:
    """Return the `FileMetaData` of an open Parquet file; raises `FooterError`."""

    def tail(size: int) -> bytes:
        file.seek(max(0, file.seek(0, 2) - size))
        return file.read()

    return footer_at_end(tail)


def footer_at_end(tail: Callable[[int], bytes]) -> Any:
    """Return the `FileMetaData` of a Parquet file whose last bytes, so many, are to be had of `tail`.

    They are asked for once, or twice where the footer is long. Raises `FooterError`.
    """
    end = tail(_LIKELY_SIZE)
    if len(end) < len(MAGIC) + _TAIL.size:
        raise FooterError(f"{len(end)} bytes are too few for a Parquet file")
    length, magic = _TAIL.unpack(end[-_TAIL.size :])
    whole = len(MAGIC) + length + _TAIL.size
    if magic == MAGIC and len(end) == _LIKELY_SIZE < whole:
        end = tail(whole)
    if magic != MAGIC or len(end) < whole:
        raise FooterError("it does not end as a Parquet file does")
    return parse_footer(end[-length - _TAIL.size : -_TAIL.size])


def parse_footer(data: bytes) -> Any:
    """Return the `FileMetaData` that the bytes hold; raises `FooterError`."""
    footer = structures().FileMetaData()
    try:
        _protocol(_memory(data)).read_struct(footer)
    except FooterError:
        raise
    except Exception as error:  # whatever damaged bytes set off in the Thrift library
        raise FooterError(f"its footer cannot be read: {error}") from error
    return footer


def footer_bytes(footer: Any) -> bytes:
    """Return everything that follows the last page: the footer, its length and the magic."""
    buffer = _memory()
    _protocol(buffer).write_struct(footer)
    data = bytes(buffer.getvalue())
    return data + _TAIL.pack(len(data), MAGIC)
