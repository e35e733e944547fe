"""The dry run: what each source selects of its archive's listing, as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from spikemill.services.cli.format import figures_table, markdown_table, print_error, size
from spikemill.services.cli.report import described
from spikemill.services.common.archives import open_archive
from spikemill.services.common.catalog import Catalogue, Expectation, FilesSource, Source
from spikemill.services.common.catalog.schema import DRAFT
from spikemill.services.common.errors import NetworkError, SpikemillError
from spikemill.services.common.rate_limit import CountingRateLimiter, ProcessRateLimiter, RateLimiter
from spikemill.services.common.retry import Backoff
from spikemill.services.common.settings import settings
from spikemill.services.common.types import Asset, PlannedSession
from spikemill.services.downloader.selection import select_sessions

_HEADINGS = (
    "assets",
    "selected",
    "bytes",
    "bytes selected",
    "sessions",
    "subjects",
    "expected tokens",
    "requests",
    "fetch",
    "marks",
)
_TOTAL = "total"
_BACKOFF = Backoff(tries=3, longest_pause=5.0)


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
    limiter = ProcessRateLimiter(settings().requests_per_minute)
    listings = []
    for source in catalogue.sources:
        try:
            listings.append(list_source(source.with_api(settings()), limiter))
        except SpikemillError as error:
            print_error(described(source.name, None, str(error)))
    return listings


def list_source(source: Source, limiter: RateLimiter) -> SourceListing:
    """List a source whose `api` is frozen; nothing is downloaded.

    Raises a `SpikemillError` where the archive cannot be listed, or the entry selects nothing.
    """
    counting = CountingRateLimiter(limiter)
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


def _assets(source: Source, limiter: RateLimiter) -> list[Asset]:
    """Read the whole listing; an archive that is away for a moment is asked again."""
    retrying = _BACKOFF.retrying(lambda error: isinstance(error, NetworkError))
    return retrying(lambda: list(open_archive(source, limiter).assets()))


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


def listing_table(listings: Sequence[SourceListing]) -> Table:
    """Return the sources, what each holds and what is selected of it, and the sum of several."""
    table = figures_table(_HEADINGS)
    for listing in listings:
        table.add_row(listing.source, *_cells(listing))
    if len(listings) > 1:
        table.add_section()
        table.add_row(_TOTAL, *_total_cells(listings))
    return table


def listing_markdown(listings: Sequence[SourceListing]) -> str:
    """Return the same in Markdown, with the versions and what the patterns were tried on."""
    rows = [(listing.source, *_cells(listing), *_origin_cells(listing)) for listing in listings]
    if len(listings) > 1:
        rows.append((_TOTAL, *_total_cells(listings), "", ""))
    return markdown_table(("source", *_HEADINGS, "version", "tried on"), rows)


def _cells(listing: SourceListing) -> tuple[str, ...]:
    return (
        f"{listing.assets:,}",
        f"{listing.selected:,}",
        size(listing.bytes_in_archive),
        size(listing.bytes_selected),
        f"{listing.sessions:,}",
        _sum_of_known([listing.subjects], "unknown"),
        _sum_of_known([listing.expected_tokens], ""),
        f"{listing.requests:,}",
        listing.fetch,
        ", ".join(listing.marks),
    )


def _origin_cells(listing: SourceListing) -> tuple[str, ...]:
    return str(listing.version or ""), listing.proven_on or listing.unproven or ""


def _total_cells(listings: Sequence[SourceListing]) -> tuple[str, ...]:
    """Return the sums; of subjects and tokens only those that are known are counted."""
    return (
        f"{sum(listing.assets for listing in listings):,}",
        f"{sum(listing.selected for listing in listings):,}",
        size(sum(listing.bytes_in_archive for listing in listings)),
        size(sum(listing.bytes_selected for listing in listings)),
        f"{sum(listing.sessions for listing in listings):,}",
        _sum_of_known([listing.subjects for listing in listings], "unknown"),
        _sum_of_known([listing.expected_tokens for listing in listings], ""),
        f"{sum(listing.requests for listing in listings):,}",
        "",
        "",
    )


def _sum_of_known(figures: Sequence[int | None], otherwise: str) -> str:
    known = [figure for figure in figures if figure is not None]
    return f"{sum(known):,}" if known else otherwise
