"""What the demo's archive holds: three sources, each with something that real ones have."""

from dataclasses import replace
from pathlib import Path

from spikemill.services.cli import made_up
from spikemill.services.cli.made_up import Recording, recording_file
from standins.archive.content import DRAFT, ArchiveFile, Article, Dandiset, MadeUpArchive

_NOTICE = b"These data were made up by a program for a demonstration. They mean nothing.\n"
_ELECTRODES = b"electrode,depth_um\n0,0\n1,20\n2,40\n3,60\n"
_WITH_TWIN = made_up.VISUAL[2:]
_NOT_YET_HASHED = made_up.VISUAL[3]


def demo_archive(folder: Path) -> MadeUpArchive:
    """Return the demo's archive; its recordings are made in the folder, where they are not there yet."""
    return MadeUpArchive(dandisets=[_visual(folder), _probes(folder)], articles=[_deposit(folder)])


def _visual(folder: Path) -> Dandiset:
    """Sessions beside the signals of their probes and beside twins that hold the same units once more."""
    published = [_session(recording, folder) for recording in made_up.VISUAL]
    published += [_probe_signal(recording, folder) for recording in made_up.VISUAL]
    published += [_image_twin(recording, folder) for recording in _WITH_TWIN]
    draft = [*published, _session(made_up.VISUAL_DRAFT, folder)]
    return Dandiset("990001", "Made-up visual sessions", {"0.240105.0900": published, DRAFT: draft})


def _session(recording: Recording, folder: Path) -> ArchiveFile:
    """A session's file; of the newest the archive has not yet computed the sha2-256."""
    withheld = {"dandi:sha2-256"} if recording is _NOT_YET_HASHED else set()
    return ArchiveFile(_path(recording), recording_file(recording, folder), withheld=withheld)


def _probe_signal(recording: Recording, folder: Path) -> ArchiveFile:
    """The signal of a session's probe: a file without units."""
    signal = Recording(recording.subject_id, recording.session, units=0, seconds=2, channels=16)
    file = recording_file(signal, folder)
    return ArchiveFile(_path(recording, "_probe-0_ecephys"), file, variables=("ElectricalSeries", "LFP"))


def _image_twin(recording: Recording, folder: Path) -> ArchiveFile:
    """A second file of a session, with the same units and more beside them."""
    file = recording_file(replace(recording, channels=32), folder)
    return ArchiveFile(_path(recording, "_image"), file, variables=("ProcessingModule", "Units"))


def _probes(folder: Path) -> Dandiset:
    """A file per probe, several to a session; never published."""
    files = [
        ArchiveFile(_path(recording, f"_probe-{recording.probe}"), recording_file(recording, folder))
        for recording in made_up.PROBES
    ]
    return Dandiset("990002", "Made-up sessions of several probes", {DRAFT: files})


def _deposit(folder: Path) -> Article:
    """More files than one page shows: texts and tables first, the recordings last."""
    texts = [ArchiveFile("README.txt", _NOTICE), ArchiveFile("methods.txt", b"None. " + _NOTICE)]
    tables = [ArchiveFile(f"{recording.name}_electrodes.csv", _ELECTRODES) for recording in made_up.DEPOSIT]
    recordings = [
        ArchiveFile(f"{recording.name}.nwb", recording_file(recording, folder))
        for recording in made_up.DEPOSIT
    ]
    return Article(99000003, "Made-up recordings", {1: [*texts, *tables, *recordings]})


def _path(recording: Recording, suffix: str = "") -> str:
    return f"sub-{recording.subject_id}/{recording.name}{suffix}.nwb"
