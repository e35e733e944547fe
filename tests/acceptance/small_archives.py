"""Small made-up archives, and the catalogues that name them, in a few lines each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spikemill.services.cli.made_up import Recording, recording_file
from standins.archive.content import DRAFT, ArchiveFile, Article, Dandiset, MadeUpArchive

VERSION = "0.250101.0900"
SMALL_SHARDS = {"shard_bytes": 1, "test_fraction": 0.1}
"""Keys of `[pile]` that close a shard after each row group and leave something to test on."""


def short(subject: str, session: str, **odd: Any) -> Recording:
    """Describe a session of 24,000 tokens."""
    return Recording(subject, session, **({"units": 8, "seconds": 60} | odd))


def long(subject: str, session: str) -> Recording:
    """Describe a session of 12 M tokens: two rows, and half a second of work."""
    return Recording(subject, session, units=400, seconds=600)


def asset(recording: Recording, folder: Path, **said: Any) -> ArchiveFile:
    """Return the file of a recording under the path that it has in an archive."""
    probe = f"_probe-{recording.probe}" if recording.probe else ""
    path = f"sub-{recording.subject_id}/{recording.name}{probe}.nwb"
    return ArchiveFile(path, recording_file(recording, folder), **said)


def dandiset(identifier: str, files: Sequence[ArchiveFile], *, version: str = VERSION) -> Dandiset:
    """Make a dandiset of one version."""
    return Dandiset(identifier, "Made up for a test", {version: files})


def dandi_source(name: str, identifier: str, **keys: Any) -> dict[str, Any]:
    """Describe the source that takes every NWB file of a dandiset."""
    source = {"archive": "dandi", "identifier": identifier, "version": VERSION}
    return _source(name) | source | {"include": ["sub-*/*.nwb"]} | keys


def figshare_source(name: str, identifier: int, **keys: Any) -> dict[str, Any]:
    """Describe the source that takes every NWB file of an article."""
    source = {"archive": "figshare", "identifier": str(identifier), "version": 1}
    return _source(name) | source | {"include": ["*.nwb"]} | keys


def _source(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "reader": "nwb-units",
        "fetch": "copy",
        "species": "mouse",
        "license": "CC0-1.0",
        "redistributable": True,
        "citation": "Made up.",
    }


def write_catalogue(path: Path, *sources: dict[str, Any], **pile: Any) -> Path:
    """Write a catalogue; the texts, numbers and lists of JSON are those of TOML too."""
    table = {"name": "small"} | SMALL_SHARDS | pile
    lines = ["[pile]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    for source in sources:
        lines += ["[[source]]", *(f"{key} = {json.dumps(value)}" for key, value in source.items())]
    path.write_text("\n".join(lines))
    return path


VARIED_SOURCES = (
    dandi_source("maze", "990101"),
    dandi_source(
        "probes", "990102", version=DRAFT, allow_draft=True, group=r"sub-[^/_]+_ses-[^/_]+", species="rat"
    ),
    figshare_source("deposit", 99000101),
)


def varied_archive(folder: Path) -> MadeUpArchive:
    """Return an archive of 16 sessions in three sources; its recordings lie in the folder."""
    maze = [long("m0", "a"), *(short(f"m{number}", "b") for number in range(8)), long("m9", "c")]
    probes = [short("r1", day, probe=probe, species="rat") for day in ("d1", "d2") for probe in "AB"]
    deposit = [short(f"f{number}", "e", seconds=90) for number in range(4)]
    files = [ArchiveFile(f"{each.name}.nwb", recording_file(each, folder)) for each in deposit]
    return MadeUpArchive(
        [
            dandiset("990101", [asset(each, folder) for each in maze]),
            dandiset("990102", [asset(each, folder) for each in probes], version=DRAFT),
        ],
        [Article(99000101, "Made up for a test", {1: files})],
    )
