"""What is removed from store and spool: only what nobody names and nobody is about to name."""

from pathlib import Path

import pytest

from services.common.database import transaction
from services.common.housekeeping import clean_up
from services.common.ledger import claims, endings, files, waiving
from services.common.models import Session
from services.common.models.work import JobKind
from services.common.settings import settings
from services.common.spool import drop_copies, session_folder, spool_folder
from services.common.storage import Store, open_store
from tests.integration import ledgers


@pytest.fixture(autouse=True)
def _places(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a store and a spool."""
    monkeypatch.setenv("SPIKEMILL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SPIKEMILL_SPOOL", str(tmp_path / "spool"))
    settings.cache_clear()
    assert ledger


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"bytes")
    return path


def binning() -> claims.Claim:
    """Bring a session to where it is being binned."""
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    return ledgers.claim(ledgers.one_ready(JobKind.BIN).id)


def chunk_of(session: Session, content: str = "0" * 16, *, end: str = "") -> str:
    return f"chunks/a/{'.' * bool(end)}{session.identity[:20]}.{content}.parquet{end}"


def test_a_draft_stays_while_its_attempt_runs() -> None:
    claimed = binning()
    store = open_store()
    ours = written(store.root / ".drafts" / f"{claimed.job}.{claimed.attempt}.abc" / "chunk.parquet")
    older = written(store.root / ".drafts" / f"{claimed.job}.{claimed.attempt - 1}.abc" / "chunk.parquet")
    gone = written(store.root / ".drafts" / "999.1.abc" / "chunk.parquet")
    strange = written(store.root / ".drafts" / "notes" / "chunk.parquet")
    clean_up()
    assert (ours.exists(), older.exists(), gone.exists(), strange.exists()) == (True, False, False, True)
    ledgers.finish(claimed, ledgers.binned(claimed))
    clean_up()
    assert not ours.exists()


def test_a_chunk_stays_while_a_session_names_it_or_is_about_to() -> None:
    claimed = binning()
    (session,) = ledgers.sessions()
    store = open_store()
    new, old = chunk_of(session, "1" * 16), chunk_of(session, "2" * 16)
    half = chunk_of(session, "1" * 16, end=".abcd1234")
    for name in (new, old, half):
        written(store.path(name))
    foreign = written(store.path("chunks/a/notes.txt"))
    clean_up()
    assert None not in {store.size(name) for name in (new, old, half)}
    ledgers.finish(claimed, ledgers.binned(claimed, chunk=new))
    clean_up()
    assert store.size(new)
    assert (store.size(old), store.size(half)) == (None, None)
    assert foreign.exists()


def test_a_chunk_of_a_session_that_the_ledger_does_not_know_is_removed() -> None:
    store = open_store()
    name = f"chunks/a/{'0' * 20}.{'1' * 16}.parquet"
    written(store.path(name))
    clean_up()
    assert store.size(name) is None


def release_folder(store: Store, release: int) -> Path:
    return written(store.path(f"piles/{ledgers.release(release).digest}/data/shard.parquet")).parent.parent


def test_a_release_stays_until_it_is_outdated_and_nobody_writes_it() -> None:
    opened = ledgers.done_build()
    ledgers.freeze()
    store = open_store()
    folder = release_folder(store, opened.release)
    late = ledgers.claim(ledgers.one_ready(JobKind.SHARD).id)
    clean_up()
    assert folder.exists()
    ledgers.ask("a", parameters={"seed": 1})
    clean_up()
    assert folder.exists()
    with transaction() as ledger:
        assert not claims.heartbeat(ledger, late)
    clean_up()
    assert not folder.exists()


def test_a_release_stays_while_its_assembly_still_runs() -> None:
    opened = ledgers.done_build()
    ledgers.freeze()
    ledgers.write_shards()
    ledgers.sweep_once()
    folder = release_folder(open_store(), opened.release)
    late = ledgers.claim(ledgers.one_ready(JobKind.ASSEMBLE).id)
    ledgers.ask("a", parameters={"seed": 1})
    clean_up()
    assert folder.exists()
    with transaction() as ledger:
        endings.release(ledger, late)
    clean_up()
    assert not folder.exists()


def test_the_release_that_the_pile_leads_to_stays_even_when_it_is_outdated() -> None:
    """It was switched to, and superseded before that was recorded."""
    opened = ledgers.done_build()
    ledgers.freeze()
    store = open_store()
    folder = release_folder(store, opened.release)
    store.switch_pile(folder.name)
    ledgers.ask("a", parameters={"seed": 1})
    clean_up()
    assert folder.exists()
    store.switch_pile("another")
    clean_up()
    assert not folder.exists()


def test_a_published_release_stays() -> None:
    opened = ledgers.done_build()
    ledgers.publish()
    folder = release_folder(open_store(), opened.release)
    ledgers.ask("b")
    clean_up()
    assert folder.exists()


def test_copies_stay_while_their_session_holds_room() -> None:
    claimed = binning()
    (session,) = ledgers.sessions()
    copy = written(session_folder(session.identity) / "copy.nwb")
    drop_copies(session.identity)
    clean_up()
    assert copy.exists()
    ledgers.finish(claimed, ledgers.binned(claimed))
    clean_up()
    assert not copy.exists()


def test_copies_of_a_waived_session_go() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    (session,) = ledgers.sessions()
    copy = written(session_folder(session.identity) / "copy.nwb")
    with transaction() as other:
        waiving.waive(other, "a-0", "noise")
    clean_up()
    assert not copy.exists()


def test_copies_of_a_session_that_is_streamed_instead_go() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    (session,) = ledgers.sessions()
    copy = written(session_folder(session.identity) / "copy.nwb")
    ledgers.ask("a", fetch="stream")
    clean_up()
    assert not copy.exists()


def test_what_the_ledger_does_not_know_stays_in_the_spool() -> None:
    binning()
    foreign = written(spool_folder() / "notes" / "a.txt")
    clean_up()
    assert foreign.exists()


def test_a_store_carries_the_name_of_its_ledger() -> None:
    with transaction() as ledger:
        name = files.ledger_id(ledger)
    open_store().claim_for(name)
    with transaction() as ledger:
        assert files.ledger_id(ledger) == name
