"""What one source selects of its archive's listing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from services.common.archives.opening import open_archive
from services.common.catalogue import Expectation, FilesSource, Source
from services.common.errors import NetworkError
from services.common.pacing import RequestPacer
from services.downloader.selection import PlannedSession, select_sessions


@dataclass(frozen=True, slots=True)
class SourceListing:
    """The figures of a source; `subjects` is None where only the files themselves name some of them.

    `bytes` are those to fetch: of a folder on this machine none. `differences` say what is not as expected.
    """

    source: str
    archive: str
    assets: int
    selected: int
    sessions: int
    subjects: int | None
    bytes: int
    expected_tokens: int | None
    differences: Sequence[str] = field(default=())


def list_source(source: Source, pacer: RequestPacer) -> SourceListing:
    """List a source whose `api` is frozen; nothing is downloaded.

    Raises a `SpikemillError` where the archive cannot be listed, or the entry selects nothing.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(NetworkError),
        stop=stop_after_attempt(3),
        wait=wait_exponential(max=5),
        reraise=True,
    )
    assets = retrying(lambda: list(open_archive(source, pacer).assets()))
    sessions = select_sessions(assets, source)
    selected = [asset for session in sessions for asset in session.assets]
    subjects = _subjects(sessions)
    is_here = isinstance(source, FilesSource)
    return SourceListing(
        source=source.name,
        archive=source.archive,
        assets=len(assets),
        selected=len(selected),
        sessions=len(sessions),
        subjects=subjects,
        bytes=0 if is_here else sum(asset.size for asset in selected),
        expected_tokens=source.expect.tokens if source.expect else None,
        differences=tuple(_differences(source.expect, len(sessions), subjects)),
    )


def _subjects(sessions: Sequence[PlannedSession]) -> int | None:
    names = {session.subject_id for session in sessions}
    return None if None in names else len(names)


def _differences(expected: Expectation | None, sessions: int, subjects: int | None) -> Iterator[str]:
    if expected is None:
        return
    if expected.sessions is not None and expected.sessions != sessions:
        yield f"{sessions:,} sessions are selected, {expected.sessions:,} were expected"
    if expected.subjects is not None and subjects is not None and expected.subjects != subjects:
        yield f"{subjects:,} subjects are selected, {expected.subjects:,} were expected"
