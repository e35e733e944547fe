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
    size = file.seek(0, 2)
    if size < len(MAGIC) + _TAIL.size:
        raise FooterError(f"{size} bytes are too few for a Parquet file")
    file.seek(size - _TAIL.size)
    length, magic = _TAIL.unpack(file.read(_TAIL.size))
    start = size - _TAIL.size - length
    if magic != MAGIC or start < len(MAGIC):
        raise FooterError("it does not end as a Parquet file does")
    file.seek(start)
    return parse_footer(file.read(length))


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
