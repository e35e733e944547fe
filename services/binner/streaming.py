"""A session that is streamed: from where its archive keeps it to its chunk; no copy is made."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sqlalchemy.orm import Session as Transaction

from spikemill.services.binner.remote.remote_file import RemoteFile, open_remote
from spikemill.services.binner.session import make_chunk
from spikemill.services.common.archives.links import Links, open_links
from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.database import transaction
from spikemill.services.common.ledger import recordings
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.ledger.recordings import TransferMeter
from spikemill.services.common.models import Asset, Session
from spikemill.services.common.rate_limit import LedgerPacer
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.runner import Heartbeat


def bin_streamed_session(claim: Claim, heartbeat: Heartbeat) -> Result:
    """Bin a session of which only those bytes are fetched that its reader asks for."""
    with transaction() as ledger:
        session = recordings.read_session(ledger, claim.subject)
    with _remote_files(session, heartbeat) as files:
        chunk = make_chunk(claim, session, list(files.values()))
        verified_by = {asset: file.identified_by for asset, file in files.items()}

    def record(ledger: Transaction) -> None:
        recordings.record_counts(ledger, session.id, chunk.facts)
        recordings.record_streamed(ledger, verified_by)

    return Result(output=chunk.output, record=record)


@contextmanager
def _remote_files(session: Session, heartbeat: Heartbeat) -> Iterator[Mapping[int, RemoteFile]]:
    """Open the assets of a session in path order; every attempt asks the archive for their links anew."""
    links = open_links(source_from_record(session.source_version.config), LedgerPacer())
    with ExitStack() as opened:
        yield {
            asset.id: opened.enter_context(_remote_file(links, asset, heartbeat)) for asset in session.assets
        }


@contextmanager
def _remote_file(links: Links, asset: Asset, heartbeat: Heartbeat) -> Iterator[RemoteFile]:
    """Open an asset; what travelled is counted whatever comes of it."""
    meter = TransferMeter(heartbeat)
    requests = 0
    try:
        with open_remote(
            links,
            recordings.as_listed(asset),
            pacer=LedgerPacer(),
            connections=settings().stream_connections,
            progress=meter.add,
        ) as file:
            try:
                yield file
            finally:
                requests = file.requests
    finally:
        meter.flush(asset.id, requests=requests)
