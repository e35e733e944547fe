"""Reading a session's file through a library: whatever goes wrong becomes an error that names the file."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import IOBase
from pathlib import Path
from traceback import clear_frames

from services.binner.readers.base import RecordingFile
from services.common.errors import AssetError, RecordingError

WAY_OUT = "tell its authors, or exclude it in the catalogue"
"""What a person can do about a file that is whole, but says what cannot be."""


@contextmanager
def reading(file: RecordingFile) -> Iterator[Path | IOBase]:
    """Give the library what it opens; errors of the body come out with the file's name.

    A read that failed goes before all that the library made of it: bytes that never came are no damaged file.
    """
    with _failure_first(file), _named(file):
        yield file.opened()


def as_stream(source: Path | IOBase) -> AbstractContextManager[IOBase]:
    """Open a path; what is open already stays so."""
    return source.open("rb") if isinstance(source, Path) else nullcontext(source)


@contextmanager
def _failure_first(file: RecordingFile) -> Iterator[None]:
    """Raise the file's own failure, also where the library kept it to itself."""
    try:
        yield
    except Exception as error:
        if file.failure is None:
            raise
        _let_go(error)
        _let_go(file.failure)
        if file.failure is error:
            raise
        raise file.failure from error
    if file.failure is not None:
        raise file.failure


def _let_go(error: BaseException | None) -> None:
    """Empty the finished frames of an error and of those that led to it.

    They hold h5py's access list, that holds the file, and the file holds its failure: a circle through C,
    which would stay for ever and crash the interpreter when it ends.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


@contextmanager
def _named(file: RecordingFile) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except RecordingError as error:
        raise RecordingError(f"{file.name}: {error}") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise AssetError(f"{file.name}: there is no such file; put it back, or exclude it") from error
    except PermissionError as error:
        raise AssetError(f"{file.name}: no permission to read the file; allow it, then retry") from error
