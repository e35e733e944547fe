"""What one source selects of its archive's listing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from services.cli.listing.counting_pacer import CountingPacer
from services.cli.listing.process_pacer import ProcessPacer
from services.cli.printing import complain
from services.cli.reporting.failure_lines import described
from services.common.archives.base import Asset
from services.common.archives.opening import open_archive
from services.common.catalogue import Catalogue, Expectation, FilesSource, Source
from services.common.catalogue.sources import DRAFT
from services.common.errors import NetworkError, SpikemillError
from services.common.pacing import RequestPacer
from services.common.settings import settings
from services.downloader.selection import PlannedSession, select_sessions


@dataclass(frozen=True, slots=True)
class SourceListing:
    """The figures of a source; `subjects` is None where only the files themselves name some of them.

    `requests` went to the archive's API for this listing. `differences` say what is not as expected, and
    `differs` why, where the entry knows it.
    """

    source: str
    archive: str
    identifier: str
    version: str | int | None
    assets: int
    selected: int
    bytes_in_archive: int
    bytes_selected: int
    sessions: int
    subjects: int | None
    expected_sessions: int | None
    expected_subjects: int | None
    expected_tokens: int | None
    requests: int
    fetch: str
    marks: Sequence[str]
    proven_on: str | None
    unproven: str | None
    differences: Sequence[str]
    differs: str | None


def list_sources(catalogue: Catalogue) -> list[SourceListing]:
    """List what can be listed, and say of the others why not."""
    pacer = ProcessPacer(settings().requests_per_minute)
    listings = []
    for source in catalogue.sources:
        try:
            listings.append(list_source(source.with_api(settings()), pacer))
        except SpikemillError as error:
            complain(described(source.name, None, str(error)))
    return listings


def list_source(source: Source, pacer: RequestPacer) -> SourceListing:
    """List a source whose `api` is frozen; nothing is downloaded.

    Raises a `SpikemillError` where the archive cannot be listed, or the entry selects nothing.
    """
    counting = CountingPacer(pacer)
    assets = _assets(source, counting)
    sessions = select_sessions(assets, source)
    selected = [asset for session in sessions for asset in session.assets]
    subjects = _subjects(sessions)
    expected = source.expect or Expectation()
    return SourceListing(
        source=source.name,
        archive=source.archive,
        identifier=source.identifier,
        version=getattr(source, "version", None),
        assets=len(assets),
        selected=len(selected),
        bytes_in_archive=sum(asset.size for asset in assets),
        bytes_selected=sum(asset.size for asset in selected),
        sessions=len(sessions),
        subjects=subjects,
        expected_sessions=expected.sessions,
        expected_subjects=expected.subjects,
        expected_tokens=expected.tokens,
        requests=counting.requests,
        fetch="in place" if isinstance(source, FilesSource) else source.fetch,
        marks=tuple(_marks(source)),
        proven_on=source.proven_on,
        unproven=source.unproven,
        differences=tuple(_differences(expected, len(sessions), subjects)),
        differs=source.differs,
    )


def _assets(source: Source, pacer: RequestPacer) -> list[Asset]:
    """Read the whole listing; an archive that is away for a moment is asked again."""
    retrying = Retrying(
        retry=retry_if_exception_type(NetworkError),
        stop=stop_after_attempt(3),
        wait=wait_exponential(max=5),
        reraise=True,
    )
    return retrying(lambda: list(open_archive(source, pacer).assets()))


def _subjects(sessions: Sequence[PlannedSession]) -> int | None:
    names = {session.subject_id for session in sessions}
    return None if None in names else len(names)


def _marks(source: Source) -> Iterator[str]:
    """Yield what a reader of the figures should know of the entry."""
    if getattr(source, "version", None) == DRAFT:
        yield "draft"
    if not source.pin_seen:
        yield "pin not seen"
    if source.unproven is not None:
        yield "unproven"


def _differences(expected: Expectation, sessions: int, subjects: int | None) -> Iterator[str]:
    if expected.sessions is not None and expected.sessions != sessions:
        yield f"{sessions:,} sessions are selected, {expected.sessions:,} were expected"
    if expected.subjects is not None and subjects is not None and expected.subjects != subjects:
        yield f"{subjects:,} subjects are selected, {expected.subjects:,} were expected"
