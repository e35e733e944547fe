"""A small made-up archive, served over loopback."""

from collections.abc import Iterator

import httpx
import pytest

from standins.archive.content import DRAFT, ArchiveFile, Article, Dandiset, MadeUpArchive
from standins.archive.server import ArchiveServer, serve

PUBLISHED = "0.240105.0900"
SPIKES = bytes(range(200)) * 500


@pytest.fixture
def archive() -> MadeUpArchive:
    """Two dandisets, one of them embargoed, and an article of two versions."""
    session = ArchiveFile("sub-a/sub-a_ses-1.nwb", SPIKES)
    upper = ArchiveFile("sub-A/SUB-A.nwb", b"upper", withheld={"dandi:sha2-256"})
    signal = ArchiveFile("sub-a/sub-a_ses-1_probe-0_ecephys.nwb", b"signal", variables=("LFP",))
    images = ArchiveFile("sub-b/images.zarr", b"zarr", kind="zarr")
    files = [session, upper, signal, images]
    texts = [ArchiveFile(f"notes/part-{number:02}.txt", b"%d" % number) for number in range(23)]
    linked = ArchiveFile("elsewhere.dat", b"", kind="link")
    return MadeUpArchive(
        dandisets=[
            Dandiset("000001", "Sessions", {PUBLISHED: files[:3], DRAFT: files}),
            Dandiset("000002", "Secret", {DRAFT: files}, is_embargoed=True),
            Dandiset("000003", "Empty", {}),
        ],
        articles=[Article(77, "Texts", {1: texts[:3], 2: [*texts, linked]})],
    )


@pytest.fixture
def server(archive: MadeUpArchive) -> Iterator[ArchiveServer]:
    """The archive, served."""
    with serve(archive) as running:
        yield running


@pytest.fixture
def client(server: ArchiveServer) -> Iterator[httpx.Client]:
    """A plain client of the server, that follows no redirects."""
    with httpx.Client(base_url=server.url, trust_env=False) as plain:
        yield plain
