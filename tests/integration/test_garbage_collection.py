"""What is removed from store and spool: only what nobody names and nobody is about to name."""

import hashlib
from pathlib import Path

import pytest

from spikemill.services.common.database import transaction
from spikemill.services.common.ledger import admin, jobs, repair
from spikemill.services.common.models import JobKind, Session
from spikemill.services.common.settings import settings
from spikemill.services.common.store import FolderStore, Store, open_store
from spikemill.services.common.store.ownership import own_store
from spikemill.services.common.store.spool import drop_copies, open_spool, sweep_staging
from spikemill.services.sweeper.garbage_collection import clean_up
from tests.integration import ledgers


@pytest.fixture(autouse=True)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Give the test a store and a spool, in folders or where it asks for that in a bucket."""
    kind = getattr(request, "param", "folder")
    if kind == "folder":
        monkeypatch.setenv("SPIKEMILL_STORE", str(tmp_path / "store"))
        monkeypatch.setenv("SPIKEMILL_SPOOL", str(tmp_path / "spool"))
        settings.cache_clear()
    else:
        request.getfixturevalue("s3_prefix")
    return open_store()


everywhere = pytest.mark.parametrize("store", ["folder", "objects"], indirect=True)


def published(store: Store, name: str) -> str:
    """Put a file into the store under its name."""
    with store.draft("1.1") as drafts:
        local = written(drafts / "file")
        content = local.read_bytes()
        store.publish(local, name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    return name


def copied(identity: str) -> None:
    """Let a copy of a session's asset be in the spool."""
    spool = open_spool()
    copy = written(spool.staging_dir(identity) / "copy.nwb")
    content = copy.read_bytes()
    spool.publish(identity, copy, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"bytes")
    return path


def binning() -> jobs.Claim:
    """Bring a session to where it is being binned."""
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    return ledgers.claim(ledgers.one_ready(JobKind.BIN).id)


def chunk_of(session: Session, content: str = "0" * 16, *, end: str = "") -> str:
    return f"chunks/a/{'.' * bool(end)}{session.identity[:20]}.{content}.parquet{end}"


def test_a_draft_stays_while_its_attempt_runs(store: FolderStore) -> None:
    claimed = binning()
    ours = written(store.root / ".drafts" / f"{claimed.job}.{claimed.attempt}.abc" / "chunk.parquet")
    older = written(store.root / ".drafts" / f"{claimed.job}.{claimed.attempt - 1}.abc" / "chunk.parquet")
    gone = written(store.root / ".drafts" / "999.1.abc" / "chunk.parquet")
    strange = written(store.root / ".drafts" / "notes" / "chunk.parquet")
    clean_up()
    assert (ours.exists(), older.exists(), gone.exists(), strange.exists()) == (True, False, False, True)
    ledgers.finish(claimed, ledgers.binned(claimed))
    clean_up()
    assert not ours.exists()


@everywhere
def test_a_chunk_stays_while_a_session_names_it_or_is_about_to(store: Store) -> None:
    claimed = binning()
    (session,) = ledgers.sessions()
    new, old = chunk_of(session, "1" * 16), chunk_of(session, "2" * 16)
    half = chunk_of(session, "1" * 16, end=".abcd1234")
    foreign = "chunks/a/notes.txt"
    for name in (new, old, half, foreign):
        published(store, name)
    clean_up()
    assert set(store.files("chunks")) == {new, old, half, foreign}
    ledgers.finish(claimed, ledgers.binned(claimed, chunk=new))
    clean_up()
    assert set(store.files("chunks")) == {new, foreign}


@everywhere
def test_a_chunk_of_a_session_that_the_ledger_does_not_know_is_removed(store: Store) -> None:
    published(store, f"chunks/a/{'0' * 20}.{'1' * 16}.parquet")
    clean_up()
    assert store.files("chunks") == {}


def release_folder(store: Store, release: int) -> str:
    """Let a release have written its first shard; return the name of its folder."""
    digest = str(ledgers.release(release).digest)
    published(store, f"piles/{digest}/data/shard.parquet")
    return digest


@everywhere
def test_a_release_stays_until_it_is_outdated_and_nobody_writes_it(store: Store) -> None:
    opened = ledgers.done_build()
    ledgers.freeze()
    folder = release_folder(store, opened.release)
    late = ledgers.claim(ledgers.one_ready(JobKind.SHARD).id)
    clean_up()
    assert store.folders("piles") == [folder]
    ledgers.ask("a", parameters={"seed": 1})
    clean_up()
    assert store.folders("piles") == [folder]
    with transaction() as ledger:
        assert not jobs.heartbeat(ledger, late)
    clean_up()
    assert store.folders("piles") == []


def test_a_release_stays_while_its_assembly_still_runs(store: Store) -> None:
    opened = ledgers.done_build()
    ledgers.freeze()
    ledgers.write_shards()
    ledgers.sweep_once()
    folder = release_folder(store, opened.release)
    late = ledgers.claim(ledgers.one_ready(JobKind.ASSEMBLE).id)
    ledgers.ask("a", parameters={"seed": 1})
    clean_up()
    assert store.folders("piles") == [folder]
    with transaction() as ledger:
        jobs.release(ledger, late)
    clean_up()
    assert store.folders("piles") == []


@everywhere
def test_the_release_that_the_pile_leads_to_stays_even_when_it_is_outdated(store: Store) -> None:
    """It was switched to, and superseded before that was recorded."""
    opened = ledgers.done_build()
    ledgers.freeze()
    folder = release_folder(store, opened.release)
    store.switch_pile(folder)
    ledgers.ask("a", parameters={"seed": 1})
    clean_up()
    assert store.folders("piles") == [folder]
    store.switch_pile("another")
    clean_up()
    assert store.folders("piles") == []


@everywhere
def test_a_published_release_stays(store: Store) -> None:
    opened = ledgers.done_build()
    ledgers.publish()
    folder = release_folder(store, opened.release)
    ledgers.ask("b")
    clean_up()
    assert store.folders("piles") == [folder]


@everywhere
def test_copies_stay_while_their_session_holds_room(store: Store) -> None:
    claimed = binning()
    (session,) = ledgers.sessions()
    copied(session.identity)
    drop_copies(session.identity)
    clean_up()
    assert open_spool().sessions() == [session.identity]
    ledgers.finish(claimed, ledgers.binned(claimed))
    clean_up()
    assert open_spool().sessions() == []
    assert store.files("spool") == {}


@everywhere
def test_copies_of_a_skipped_session_go(store: Store) -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    (session,) = ledgers.sessions()
    copied(session.identity)
    with transaction() as other:
        admin.skip(other, "a-0", "noise")
    clean_up()
    assert open_spool().sessions() == []
    assert store.files("spool") == {}


@everywhere
def test_copies_of_a_session_that_is_streamed_instead_go(store: Store) -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    (session,) = ledgers.sessions()
    copied(session.identity)
    ledgers.ask("a", fetch="stream")
    clean_up()
    assert open_spool().sessions() == []
    assert store.files("spool") == {}


@everywhere
def test_what_the_ledger_does_not_know_stays_in_the_spool() -> None:
    binning()
    copied("notes")
    clean_up()
    assert open_spool().sessions() == ["notes"]


@everywhere
def test_a_copy_that_was_broken_off_goes_where_it_lies(store: Store) -> None:
    """Another machine's sweeper cannot see it."""
    claimed = binning()
    (session,) = ledgers.sessions()
    partial = written(open_spool().staging_dir(session.identity) / "copy.nwb.partial")
    sweep_staging()
    assert partial.exists()
    ledgers.finish(claimed, ledgers.binned(claimed))
    sweep_staging()
    # A folder that all share is left to the sweeper.
    assert partial.exists() is isinstance(store, FolderStore)


@everywhere
def test_a_store_carries_the_name_of_its_ledger(store: Store) -> None:
    own_store()
    with transaction() as ledger:
        store.assert_owner(repair.ledger_id(ledger))
