"""Before a build goes on: outputs that the ledger names but the store no longer holds are made again."""

from services.common.database import transaction
from services.common.ledger import contents, reopening
from services.common.ledger.planning import OpenedBuild
from services.common.storage import Store
from services.merger.pile_layout import CARD, PROVENANCE, pile_file, pile_folder

_PAPERS = (PROVENANCE, CARD)


def heal(store: Store, opened: OpenedBuild) -> bool:
    """Reopen what lost its output, and tell whether a published release did.

    What a published release needs no more is left alone.
    """
    if opened.is_published:
        return _heal_release(store, opened.release)
    _heal_chunks(store, opened.build)
    return False


def _heal_chunks(store: Store, build_id: int) -> None:
    standing = store.files("chunks")
    with transaction() as ledger:
        for chunk in contents.chunks_of(ledger, build_id):
            if standing.get(chunk.name) != chunk.bytes:
                reopening.reopen_session(ledger, chunk.session, f"Chunk {chunk.name} is gone.")


def _heal_release(store: Store, release_id: int) -> bool:
    """Write lost files of a published release again, else let the pile be this release."""
    with transaction() as ledger:
        release, _ = contents.release_of(ledger, release_id)
        digest = release.digest or ""
        standing = store.files(pile_folder(digest))
        shards = contents.shards_of(ledger, release_id)
        lost = [shard.id for shard in shards if standing.get(pile_file(digest, shard.name)) != shard.bytes]
        if lost or any(pile_file(digest, paper) not in standing for paper in _PAPERS):
            reopening.reopen_release(ledger, release_id, lost)
            return True
        if store.pile() != digest:
            store.switch_pile(digest)
    return False
