"""The push of a release as its job does it: progress goes to the ledger, and a damaged file is named."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass

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
from spikemill.services.merger.hub.push import Pushed, PushProgress, push
from spikemill.services.merger.hub.upload import ShardStep
from spikemill.services.merger.provenance import CARD, PROVENANCE, StoredPile, pile_folder
from spikemill.services.merger.verify import loading_problems

_log = logging.getLogger(__name__)


def push_release(store: Store, release: Release, target: HubTarget, heartbeat: Heartbeat) -> Pushed:
    """Push a release of the store.

    Raises `DamagedOutputError` where it is not there as it was assembled, `DamagedFileError` where
    one file is to blame.
    """
    pile = StoredPile(store, pile_folder(release.digest or ""))
    if pile.provenance_sha256 != release.provenance_sha256:
        raise DamagedOutputError(f"{PROVENANCE} of release {release.digest} was changed.")
    progress = _LedgerProgress(release.id, target, heartbeat, pile)
    return push(pile, target, transfer=settings().push_with, progress=progress)


@dataclass(frozen=True, slots=True)
class _LedgerProgress(PushProgress):
    """Reports to log and ledger; stops a push that was cancelled, or whose pile `datasets` could not load."""

    release: int
    target: HubTarget
    heartbeat: Heartbeat
    pile: StoredPile

    def shard_done(self, step: ShardStep) -> None:
        """Record how far the push is; a Postgres that is away for a moment stops nothing."""
        self.heartbeat.check()
        how = f"{step.sent_bytes} bytes sent" if step.sent_bytes else "the hub had it"
        _log.info("%s: %s, %d of %d shards", step.name, how, step.number, step.of)
        try:
            with transaction() as ledger:
                pushes.note_pushed_shards(ledger, self.release, step.number)
        except Exception as error:
            if not is_connection_lost(error):
                raise

    def about_to_commit(self) -> None:
        """Make sure that the push is still requested, and that the pile can be loaded."""
        require_loadable(self.pile)
        self.heartbeat.check()
        patiently(self._require_requested, seconds=PATIENCE_FOR_RESULTS)

    def _require_requested(self) -> None:
        with transaction() as ledger:
            pushes.require_requested_push(ledger, self.release, self.target)


def require_loadable(pile: StoredPile) -> None:
    """See that `datasets` reads a pile that we wrote; raises `DamagedOutputError` where it does not."""
    record = pile.provenance.pile
    by_split: dict[str, list[str]] = {}
    for shard in record.shards:
        by_split.setdefault(shard.split, []).append(shard.name)
    ends = {name for names in by_split.values() for name in (names[0], names[-1])}
    with ExitStack() as copies:
        files = {name: copies.enter_context(pile.local(name)) for name in (CARD, *sorted(ends))}
        problems = [str(problem) for problem in loading_problems(files, record.split)]
    if problems:
        raise DamagedOutputError(f"Loading the pile would not give what was merged. {'; '.join(problems)}")
