"""What a source's archive holds: its sessions, and the files beside them that no build may touch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import h5py

from spikemill.services.cli.made_up import fixed_uuid, write_text
from standins.archive.content import ArchiveFile
from tests.acceptance.source_layouts.forms import Form
from tests.acceptance.source_layouts.nwb_files import add_signal, new_nwb

_SIGNAL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Session:
    """The files of one session by their paths, in ascending order, and what the pile must call it."""

    paths: tuple[str, ...]
    subject: str
    name: str


def single(path: str, subject: str | None = None) -> Session:
    """Return the session that one file is: of its folder's subject, unless another is given."""
    place = PurePosixPath(path)
    return Session((path,), subject or place.parent.name, place.stem)


@dataclass(frozen=True, slots=True)
class Beside:
    """A file that is not selected: a signal, a video, or, with `twin_of`, the units of a session again."""

    path: str
    variables: tuple[str, ...] = ()
    twin_of: str | None = None


@dataclass(frozen=True, slots=True)
class SourceLayout:
    """One source: its name in the catalogue, its identifier in its archive, and what it holds there."""

    name: str
    identifier: str
    form: Form
    sessions: tuple[Session, ...]
    beside: tuple[Beside, ...] = ()
    variables: tuple[str, ...] = ("Units",)

    def selected(self, folder: Path) -> Iterator[ArchiveFile]:
        """Yield the files of the sessions; their contents are written into the folder."""
        for path in (path for session in self.sessions for path in session.paths):
            file = folder / fixed_uuid(self.identifier, path)
            self.form.write(path, file)
            yield ArchiveFile(path, file, self.variables)

    def left(self, folder: Path) -> Iterator[ArchiveFile]:
        """Yield the files that are not selected."""
        for beside in self.beside:
            file = folder / fixed_uuid(self.identifier, beside.path)
            self._write_beside(beside, file)
            yield ArchiveFile(beside.path, file, beside.variables)

    def _write_beside(self, beside: Beside, file: Path) -> None:
        if beside.twin_of:
            self.form.write(beside.twin_of, file)
            with h5py.File(file, "a") as twin:
                del twin["identifier"]
                write_text(twin, "identifier", beside.path)
        elif beside.path.endswith(".nwb"):
            with new_nwb(beside.path, file) as nwb:
                add_signal(nwb, _SIGNAL_BYTES)
        else:
            file.write_bytes(beside.path.encode())
