"""The push of a release, as its job does it: what it tells the ledger, and which file it finds damaged."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spikemill.services.common.database import (
    PATIENCE_FOR_RESULTS,
    is_connection_lost,
    patiently,
    transaction,
)
from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger import pushes
from spikemill.services.common.models import Release
from spikemill.services.common.settings import settings
from spikemill.services.common.store import Store
from spikemill.services.common.worker.runner import Heartbeat
from spikemill.services.merger.assembly import DamagedFileError
from spikemill.services.merger.hub.pile_files import PileFiles, StoredPile
from spikemill.services.merger.hub.push import Pushed, push
from spikemill.services.merger.hub.upload import ShardStep
from spikemill.services.merger.provenance import CARD, PROVENANCE, PileRecord, Provenance, pile_folder
from spikemill.services.merger.verify import loading_findings

_log = logging.getLogger(__name__)


def push_release(store: Store, release: Release, target: HubTarget, heartbeat: Heartbeat) -> Pushed:
    """Push a release that stands in the store.

    Raises `DamagedOutputError` where it does not stand there as it was assembled, `DamagedFileError` where it
    is known which file is to blame.
    """
    pile = _BlamingPile(StoredPile(store, pile_folder(release.digest or "")))
    if pile.provenance_sha256 != release.provenance_sha256:
        raise DamagedOutputError(f"{PROVENANCE} of release {release.digest} was changed.")
    progress = _LedgerProgress(release.id, target, heartbeat, pile)
    return push(pile, target, transfer=settings().push_with, progress=progress)


def require_loadable(pile: PileFiles) -> None:
    """See that `datasets` reads a pile that we wrote; raises `DamagedOutputError` where it does not."""
    record = pile.provenance.pile
    with ExitStack() as copies:
        names = (CARD, *_ends(record))
        files = {name: copies.enter_context(pile.local(name)) for name in names}
        findings = [str(finding) for finding in loading_findings(files, record.split)]
    if findings:
        raise DamagedOutputError(
            f"Whoever loads the pile would not get what was merged. {'; '.join(findings)}"
        )


def _ends(pile: PileRecord) -> list[str]:
    """Return the first and the last shard of each split."""
    by_split: dict[str, list[str]] = {}
    for shard in pile.shards:
        by_split.setdefault(shard.split, []).append(shard.name)
    return [name for names in by_split.values() for name in dict.fromkeys((names[0], names[-1]))]


@dataclass(frozen=True, slots=True)
class _BlamingPile:
    """A pile that says which of its files is damaged."""

    pile: PileFiles

    @property
    def provenance(self) -> Provenance:
        return self.pile.provenance

    @property
    def provenance_sha256(self) -> str:
        return self.pile.provenance_sha256

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        try:
            with self.pile.local(name) as path:
                yield path
        except DamagedOutputError as error:
            raise DamagedFileError(name, str(error)) from error


@dataclass(frozen=True, slots=True)
class _LedgerProgress:
    """Tells log and ledger of each shard; ends the push where nobody waits for it, or could load the pile."""

    release: int
    target: HubTarget
    heartbeat: Heartbeat
    pile: PileFiles

    def shard_done(self, step: ShardStep) -> None:
        """Note how far the push is; a Postgres that is away for a moment stops nothing."""
        self.heartbeat.check()
        how = f"{step.travelled} bytes travelled" if step.travelled else "the hub had it"
        _log.info("%s: %s, %d of %d shards", step.name, how, step.number, step.of)
        try:
            with transaction() as ledger:
                pushes.note_pushed_shards(ledger, self.release, step.number)
        except Exception as error:
            if not is_connection_lost(error):
                raise

    def about_to_commit(self) -> None:
        """Make sure that somebody still waits for this, and that its readers will be able to load it."""
        require_loadable(self.pile)
        self.heartbeat.check()
        patiently(self._require_wanted, seconds=PATIENCE_FOR_RESULTS)

    def _require_wanted(self) -> None:
        with transaction() as ledger:
            pushes.require_requested_push(ledger, self.release, self.target)
