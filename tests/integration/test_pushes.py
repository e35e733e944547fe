"""A release on its way to the hub: when it is pushed, what withdraws that, and what the ledger knows then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from spikemill.services.cli.build import request_build
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError, RecordingError, SupersededError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger import admin, build_queries, jobs, pushes, repair
from spikemill.services.common.ledger.builds import BuildRequest, OpenedBuild
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.models import BuildState, JobKind, JobState, Outcome, Release, ReleaseState
from spikemill.services.common.store import FolderStore
from tests.integration import ledgers

TARGET = ledgers.target()
ELSEWHERE = ledgers.target("lab/other")
OTHER_SEED = {"seed": 1, "split_by": "session"}


def published(push: HubTarget | None = TARGET, **changes: Any) -> OpenedBuild:
    """Bring a build to where its pile stands."""
    opened = ledgers.done_build(push=push, **changes)
    ledgers.publish()
    return opened


def pushing(opened: OpenedBuild) -> Claim:
    """Let a worker push the release of a build."""
    claimed = ledgers.claim(ledgers.one_ready(JobKind.PUBLISH).id)
    assert claimed.subject == opened.release
    return claimed


def kill() -> None:
    """Let the push fail for good."""
    claimed = ledgers.claim(ledgers.one_ready(JobKind.PUBLISH).id)
    assert ledgers.fail(claimed, RecordingError("No right to write.")) is JobState.DEAD


def wish_of(release: int) -> HubTarget | None:
    found = ledgers.release(release)
    return pushes.target_of(found) if pushes.is_push_requested(found) else None


def commit_of(release: int) -> str | None:
    return ledgers.release(release).hub_commit


def test_a_build_that_nobody_wants_on_the_hub_is_released_without_a_push() -> None:
    opened = published(push=None)
    assert ledgers.build(opened.build).state is BuildState.RELEASED
    assert ledgers.jobs(JobKind.PUBLISH) == []


def test_a_build_is_released_once_its_release_is_pushed() -> None:
    opened = published()
    status = ledgers.status(opened.build)
    assert (status.state, status.release_state, status.runnable) == ("open", "published", 1)
    assert status.hub == TARGET
    ledgers.push("c0ffee")
    status = ledgers.status(opened.build)
    assert (status.state, status.runnable, status.hub_commit) == ("released", 0, "c0ffee")
    assert ledgers.release(opened.release).hub_pushed_at is not None
    with transaction() as ledger:
        assert pushes.commit_of(ledger, opened.build, TARGET) == "c0ffee"
        assert pushes.commit_of(ledger, opened.build, ELSEWHERE) is None


def test_what_was_pushed_stays_known_to_a_call_that_wants_no_push() -> None:
    opened = published()
    ledgers.push("c0ffee")
    assert ledgers.ask("a").release == opened.release
    assert ledgers.build(opened.build).state is BuildState.RELEASED
    assert ledgers.ready(JobKind.PUBLISH) == []
    assert commit_of(opened.release) == "c0ffee"


def test_what_was_pushed_is_compared_again_for_only_the_hub_knows_what_it_holds() -> None:
    opened = published()
    ledgers.push("c0ffee")
    assert ledgers.ask("a", push=TARGET).release == opened.release
    assert ledgers.build(opened.build).state is BuildState.OPEN
    ledgers.push("c0ffee")
    assert ledgers.build(opened.build).state is BuildState.RELEASED
    assert commit_of(opened.release) == "c0ffee"


def test_a_pile_that_stands_is_pushed_when_somebody_wants_it_to_be() -> None:
    opened = published(push=None)
    assert ledgers.ask("a", push=TARGET).release == opened.release
    assert ledgers.build(opened.build).state is BuildState.OPEN
    ledgers.push()
    assert ledgers.build(opened.build).state is BuildState.RELEASED


@pytest.mark.parametrize(
    "other", [ELSEWHERE, ledgers.target(revision="next"), ledgers.target(endpoint="http://another")]
)
def test_another_target_is_another_push_of_the_same_job(other: HubTarget) -> None:
    opened = published()
    ledgers.push("c0ffee")
    ledgers.ask("a", push=other)
    assert (wish_of(opened.release), commit_of(opened.release)) == (other, None)
    assert pushing(opened).attempt == 2


def test_a_target_that_holds_another_release_by_now_is_pushed_to_again() -> None:
    first = published()
    ledgers.push("first")
    second = ledgers.ask("a", push=TARGET, parameters=OTHER_SEED)
    ledgers.publish()
    ledgers.push("second")
    assert ledgers.ask("a", push=TARGET).release == first.release
    ledgers.push("third")
    assert (commit_of(first.release), commit_of(second.release)) == ("third", "second")
    assert ledgers.status(first.build).hub_commit == "third"


def newest_build() -> int | None:
    with transaction() as ledger:
        return build_queries.newest_build(ledger)


def test_an_earlier_build_that_is_pushed_again_is_the_one_that_people_mean() -> None:
    earlier = published()
    ledgers.push("first")
    later = published(name="b")
    ledgers.push("second")
    assert newest_build() == later.build
    assert ledgers.ask("a", push=TARGET).build == earlier.build
    assert newest_build() == earlier.build
    ledgers.push("third")
    assert newest_build() == earlier.build
    assert ledgers.status(earlier.build).hub_commit == "third"
    assert ledgers.ask("c").build == newest_build()
    cancel()
    assert newest_build() not in (earlier.build, later.build)


@pytest.mark.parametrize("state", ["queued", "running", "dead"])
def test_a_call_that_wants_no_push_withdraws_the_one_that_is_wanted(state: str) -> None:
    opened = published()
    claimed = pushing(opened) if state == "running" else None
    if state == "dead":
        kill()
    ledgers.ask("a")
    assert ledgers.build(opened.build).state is BuildState.RELEASED
    assert wish_of(opened.release) is None
    assert ledgers.ready(JobKind.PUBLISH) == []
    if claimed is not None:
        assert_superseded(claimed)
    ledgers.ask("a", push=TARGET)
    ledgers.push()


def assert_superseded(claimed: Claim) -> None:
    """A worker that still pushes is told so, and records nothing."""
    with transaction() as ledger:
        assert not jobs.heartbeat(ledger, claimed)
    with pytest.raises(SupersededError):
        ledgers.finish(claimed, Result({}, lambda _: pytest.fail("it was recorded")))
    assert ledgers.outcomes(claimed.job)[claimed.attempt - 1] is Outcome.WITHDRAWN
    assert commit_of(claimed.subject) is None


def test_a_target_that_changes_while_it_is_pushed_to_supersedes_the_push() -> None:
    opened = published()
    claimed = pushing(opened)
    ledgers.ask("a", push=ELSEWHERE)
    assert_superseded(claimed)
    ledgers.push("elsewhere")
    assert commit_of(opened.release) == "elsewhere"


def test_the_same_call_leaves_a_push_alone_that_is_under_way() -> None:
    opened = published()
    claimed = pushing(opened)
    ledgers.ask("a", push=TARGET)
    with transaction() as ledger:
        assert jobs.heartbeat(ledger, claimed)
    ledgers.finish(claimed, ledgers.pushed(claimed))
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_release_that_another_one_replaces_is_not_pushed_any_more() -> None:
    opened = published()
    claimed = pushing(opened)
    other = ledgers.ask("a", push=TARGET, parameters=OTHER_SEED)
    assert (other.build, other.release != opened.release) == (opened.build, True)
    assert_superseded(claimed)
    ledgers.publish()
    assert [job.release_id for job in ledgers.ready(JobKind.PUBLISH)] == [other.release]
    ledgers.push()
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def cancel() -> None:
    with transaction() as ledger:
        assert admin.cancel_builds(ledger) == 1


def supersede() -> None:
    ledgers.ask("b")


@pytest.mark.parametrize("stop", [cancel, supersede])
def test_a_build_that_was_stopped_is_not_pushed(stop: Callable[[], None]) -> None:
    opened = published()
    claimed = pushing(opened)
    stop()
    with transaction() as ledger, pytest.raises(SupersededError, match="was cancelled"):
        pushes.require_requested_push(ledger, opened.release, TARGET)
    assert_superseded(claimed)
    assert ledgers.ready(JobKind.PUBLISH) == []
    ledgers.ask("a", push=TARGET)
    ledgers.push()
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_before_the_commit_a_worker_learns_whether_somebody_waits_for_it() -> None:
    opened = published()
    with transaction() as ledger:
        pushes.require_requested_push(ledger, opened.release, TARGET)
        with pytest.raises(SupersededError, match="lab/other"):
            pushes.require_requested_push(ledger, opened.release, ELSEWHERE)


def test_a_push_that_failed_for_good_ends_the_build_until_it_is_retried() -> None:
    opened = published()
    kill()
    ledgers.ask("a", push=TARGET)
    assert ledgers.status(opened.build).runnable == 0
    with transaction() as ledger:
        (failure,) = build_queries.failures_of(ledger, opened.build)
        assert (failure.kind, failure.source, failure.file) == ("publish", "pile", "lab/pile")
        assert admin.retry_dead(ledger) == 1
    ledgers.push()
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_push_that_failed_for_good_starts_again_for_another_target() -> None:
    published()
    kill()
    ledgers.ask("a", push=ELSEWHERE)
    ledgers.push()


def test_how_far_a_push_is_stands_in_the_ledger_until_it_is_done() -> None:
    opened = published()
    with transaction() as ledger:
        pushes.note_pushed_shards(ledger, opened.release, 1)
    assert ledgers.status(opened.build).hub_shards == 1
    ledgers.push()
    assert ledgers.status(opened.build).hub_shards is None
    with transaction() as ledger:
        pushes.note_pushed_shards(ledger, opened.release, 1)
    assert ledgers.status(opened.build).hub_shards is None


def lose(opened: OpenedBuild, *shards: int) -> None:
    with transaction() as ledger:
        repair.reopen_while_pushed(ledger, opened.release, shards, "It is cut short.")


@pytest.mark.parametrize("lost", ["shard", "paper"])
def test_what_a_push_finds_damaged_is_made_again_and_then_pushed(lost: str) -> None:
    opened = published()
    claimed = pushing(opened)
    shards = [ledgers.shards()[0].id] if lost == "shard" else []
    for _ in range(2):  # two who see the same damage
        lose(opened, *shards)
    assert ledgers.release(opened.release).state is ReleaseState.FROZEN
    assert_superseded(claimed)
    assert ledgers.ready(JobKind.PUBLISH) == []
    assert len(ledgers.ready(JobKind.SHARD)) == len(shards)
    ledgers.write_shards()
    ledgers.sweep_once()
    ledgers.assemble()
    assert ledgers.build(opened.build).state is BuildState.OPEN
    ledgers.push()
    assert ledgers.build(opened.build).state is BuildState.RELEASED


@pytest.mark.parametrize(("lost", "kind"), [("shard", JobKind.SHARD), ("paper", JobKind.ASSEMBLE)])
def test_what_pushes_find_damaged_again_and_again_is_given_up(lost: str, kind: JobKind) -> None:
    opened = published()
    for _ in range(4):
        lose(opened, *([ledgers.shards()[0].id] if lost == "shard" else []))
        ledgers.write_shards()
        ledgers.sweep_once()
        for _assembly in ledgers.ready(JobKind.ASSEMBLE):
            ledgers.assemble()
    assert ledgers.only(kind).state is JobState.DEAD
    assert ledgers.status(opened.build).runnable == 0


def test_what_nobody_waits_for_is_not_made_again_for_a_late_push() -> None:
    opened = published()
    ledgers.push()
    lose(opened, ledgers.shards()[0].id)
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED


def lose_chunk() -> None:
    with transaction() as ledger:
        repair.reopen_session(ledger, ledgers.sessions()[0].id, "Its chunk is gone.")


def test_a_push_goes_on_when_a_chunk_is_lost_that_its_release_needs_no_more() -> None:
    opened = published()
    claimed = pushing(opened)
    lose_chunk()
    ledgers.sweep_once()
    assert ledgers.newest_release(opened.build).id == opened.release
    assert ledgers.ready(JobKind.FETCH) + ledgers.ready(JobKind.BIN) == []
    assert ledgers.reserved() == 0
    ledgers.finish(claimed, ledgers.pushed(claimed, "c0ffee"))
    assert commit_of(opened.release) == "c0ffee"
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_chunk_that_was_lost_during_a_push_is_made_again_for_the_next_release() -> None:
    opened = published()
    lose_chunk()
    ledgers.push()
    other = ledgers.ask("a", parameters=OTHER_SEED)
    assert other.build == opened.build
    ledgers.complete()
    assert [job.attempt for job in ledgers.jobs(JobKind.BIN, JobState.DONE)] == [2, 1]
    ledgers.publish()
    assert ledgers.release(other.release).state is ReleaseState.PUBLISHED


@pytest.mark.parametrize("lost", ["its shard", "another shard", "paper"])
def test_a_push_that_lost_a_chunk_and_finds_damage_too_is_made_good(lost: str) -> None:
    opened = ledgers.done_build(push=TARGET)
    ledgers.publish(shards=2)
    lose_chunk()
    own, other = ledgers.shards()
    lose(opened, *{"its shard": [own.id], "another shard": [other.id], "paper": []}[lost])
    again = ledgers.newest_release(opened.build)
    assert (again.id != opened.release) is (lost == "its shard")
    ledgers.complete()
    assert {job.state for job in ledgers.counting()} == (
        {JobState.DONE} if lost == "its shard" else {JobState.DONE, JobState.BLOCKED}
    )
    if lost == "its shard":
        ledgers.sweep_once()
        ledgers.freeze(shards=2)
    ledgers.write_shards()
    ledgers.sweep_once()
    ledgers.assemble()
    ledgers.push("c0ffee")
    assert commit_of(again.id) == "c0ffee"
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_release_that_is_made_from_the_recordings_again_is_pushed_instead_of_the_lost_one() -> None:
    opened = published()
    cancel()
    with transaction() as ledger:
        admin.prune_chunks(ledger)
    ledgers.ask("a", push=TARGET)
    with transaction() as ledger:
        repair.reopen_release(ledger, opened.release, [ledgers.shards()[0].id])
    again = ledgers.newest_release(opened.build)
    assert (again.id != opened.release, wish_of(again.id)) == (True, TARGET)
    ledgers.complete()
    ledgers.publish()
    ledgers.push("c0ffee")
    assert (commit_of(again.id), commit_of(opened.release)) == ("c0ffee", None)
    assert ledgers.build(opened.build).state is BuildState.RELEASED


@pytest.mark.parametrize("push", [TARGET, None])
def test_a_pile_that_was_lost_is_pushed_again_where_the_call_says_so(
    tmp_path: Path, push: HubTarget | None
) -> None:
    opened = published()
    ledgers.push("c0ffee")
    with transaction() as ledger:
        admin.prune_chunks(ledger)
    request = BuildRequest("pile", None, [ledgers.source("a")], ledgers.PARAMETERS, push=push)
    again = request_build(FolderStore(tmp_path), request)
    assert (again.release != opened.release, wish_of(again.release)) == (True, push)


def test_an_equal_release_is_known_to_be_where_the_earlier_one_was_pushed_to() -> None:
    opened = published()
    ledgers.push("c0ffee")
    twin = ledgers.ask("a", allow_missing=True)
    ledgers.publish()
    assert (twin.release != opened.release, commit_of(twin.release)) == (True, "c0ffee")
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_list_that_no_longer_holds_passes_its_target_on() -> None:
    opened = ledgers.done_build(push=TARGET)
    ledgers.sweep_once()
    ledgers.freeze()
    lose_chunk()
    assert wish_of(ledgers.newest_release(opened.build).id) == TARGET


def note_push(opened: OpenedBuild, target: HubTarget = TARGET, commit: str = "by hand") -> bool:
    with transaction() as ledger:
        release = ledger.get_one(Release, opened.release)
        return pushes.note_push(ledger, release.digest or "", release.provenance_sha256 or "", target, commit)


def test_a_push_by_hand_enters_the_ledger_of_its_pile() -> None:
    opened = published(push=None)
    assert note_push(opened)
    assert ledgers.status(opened.build).hub_commit == "by hand"
    assert ledgers.jobs(JobKind.PUBLISH) == []


@pytest.mark.parametrize("state", ["queued", "running", "dead"])
def test_a_push_by_hand_is_the_one_that_was_waited_for(state: str) -> None:
    opened = published()
    claimed = pushing(opened) if state == "running" else None
    if state == "dead":
        kill()
    assert note_push(opened)
    assert ledgers.only(JobKind.PUBLISH).state is JobState.DONE
    assert ledgers.build(opened.build).state is BuildState.RELEASED
    if claimed is not None:
        with pytest.raises(SupersededError):
            ledgers.finish(claimed, ledgers.pushed(claimed))
    assert commit_of(opened.release) == "by hand"
    with transaction() as ledger:
        assert admin.retry_dead(ledger) == 0


def test_a_push_by_hand_to_another_place_leaves_the_one_that_is_waited_for() -> None:
    opened = published()
    assert not note_push(opened, ELSEWHERE)
    assert wish_of(opened.release) == TARGET


def test_a_pile_that_the_ledger_does_not_know_enters_nothing() -> None:
    opened = published(push=None)
    with transaction() as ledger:
        digest = ledgers.release(opened.release).digest or ""
        assert not pushes.note_push(ledger, digest, "another", TARGET, "by hand")
    assert commit_of(opened.release) is None


@pytest.mark.parametrize("earlier", ["none", "in the open build"])
def test_what_may_not_be_published_is_refused_before_anything_is_done(earlier: str) -> None:
    secret = ledgers.source("secret", redistributable=False)
    if earlier == "none":
        sources = [ledgers.source("a"), secret]
    else:
        ledgers.ask(sources=[secret])
        sources = [ledgers.source("a")]
    before = ledgers.open_builds()
    with pytest.raises(CallError, match="secret: the catalogue does not say"):
        ledgers.ask(sources=sources, push=TARGET, adds_to_open_build=True)
    assert ledgers.open_builds() == before
    ledgers.ask(sources=sources, adds_to_open_build=True)


def test_a_push_is_named_by_its_pile_and_where_it_goes() -> None:
    published()
    push = ledgers.one_ready(JobKind.PUBLISH).id
    with transaction() as ledger:
        names = build_queries.names_of(ledger, [push])[push]
    assert str(names) == "pile → lab/pile"
    assert names.repository == "lab/pile"


@pytest.mark.parametrize(
    "values",
    [
        {"hub_commit": "c0ffee"},
        {"hub_repository": "lab/pile"},
        {"hub_pushed_at": None, "hub_commit": "c0ffee"},
    ],
)
def test_the_database_refuses_half_of_a_push(values: dict[str, object]) -> None:
    opened = published(push=None)
    with pytest.raises(IntegrityError, match=r"commit_has|whole_target"), transaction() as ledger:
        ledger.execute(update(Release).where(Release.id == opened.release).values(**values))
