"""The archives: how one is opened, and what makes two source versions the same."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spikemill.services.common.catalog import FilesSource, Source
from spikemill.services.common.catalog.schema import ARCHIVES
from spikemill.services.common.rate_limit import RateLimiter, Unlimited

if TYPE_CHECKING:
    from spikemill.services.common.archives.base import Archive


def open_archive(source: Source, limiter: RateLimiter | None = None) -> "Archive":
    """Return the archive of a source whose `api` is frozen (`source.with_api`); nothing is requested yet."""
    module, name = ARCHIVES[source.archive].factory.split(":")
    factory = getattr(import_module(f"{__name__}.{module}"), name)
    archive: Archive = factory.of(source, limiter or Unlimited())
    return archive


def version_facts(source: Source) -> dict[str, Any]:
    """Return everything that decides a source's bytes, but for the format id.

    A folder has no version, so the fingerprint of its listing takes its place; it never leaves the
    ledger. Raises `CallError` where the folder is missing.
    """
    facts = source.facts()
    if isinstance(source, FilesSource):
        from spikemill.services.common.archives.folder import listing_fingerprint  # noqa: PLC0415

        facts["listing"] = listing_fingerprint(source.folder, source.include, source.exclude)
    return facts
