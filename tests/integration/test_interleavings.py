"""Whatever happens in whatever order: no job runs twice at once, nothing done is lost, and the build ends."""

from collections import Counter
from random import Random
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import (
    AssetError,
    CallError,
    NetworkError,
    NoRangesError,
    SupersededError,
)
from spikemill.services.common.ledger import admin, jobs, release_queries, repair
from spikemill.services.common.ledger.jobs import Claim
from spikemill.services.common.models import (
    COUNTING,
    Asset,
    Attempt,
    Build,
    BuildState,
    Job,
    JobDependency,
    JobKind,
    JobState,
    Outcome,
    Release,
    ReleaseState,
    Session,
)
from tests.integration import ledgers

pytestmark = pytest.mark.chaos

_STEPS = 60
_WAYS = ("copy", "stream", "stream-or-copy")
_TARGETS = (None, ledgers.target(), ledgers.target("lab/other"))


class Crowd:
    """Workers, persons and accidents, of which one at a time does something that chance chooses."""

    def __init__(self, chance: Random, pile: str, capacity: int) -> None:
        """Ask for a build of sources that go each way; nothing is claimed."""
        self._chance = chance
        self._pile = pile
        self.build = self._ask(*_WAYS)
        self._capacity = capacity
        self._held: list[Claim] = []

    def step(self) -> None:
        """Do one thing."""
        does = self._chance.choices(
            [
                self.sweep,
                self.claim,
                self.finish,
                self.fail,
                self.vanish,
                self.retry,
                self.skip,
                self.reopen,
                self.change_fetch,
                self.lose_shard,
            ],
            [4, 8, 8, 2, 2, 1, 0.3, 0.5, 0.7, 0.5],
        )
        does[0]()

    def sweep(self) -> None:
        """Let the sweeper take a round."""
        ledgers.sweep_once(self._capacity)

    def claim(self) -> None:
        """Let a worker take a job."""
        ready = [job for kind in JobKind for job in ledgers.ready(kind)]
        if ready:
            job = self._chance.choice(ready)
            ledgers.set_job(job.id, not_before=job.not_before.replace(year=2000))
            self._held.append(ledgers.claim(job.id))

    def finish(self) -> None:
        """End a job as a worker does that does not know whether it is still wanted."""
        if claimed := self._one_held():
            try:
                ledgers.finish(claimed, ledgers.result_of(claimed))
            except SupersededError as superseded:
                step_back(claimed, superseded)

    def fail(self) -> None:
        """End a job in an error."""
        if claimed := self._one_held():
            errors = [NetworkError("Away."), AssetError("It is gone."), NoRangesError("It serves no parts.")]
            error = self._chance.choice(errors)
            try:
                ledgers.fail(claimed, error)
            except SupersededError as superseded:
                step_back(claimed, superseded)

    def vanish(self) -> None:
        """Let a lease run out; its worker may still come back, as a zombie."""
        if claimed := self._one_held(forget=self._chance.random() < 0.5):
            job = ledgers.job(claimed.job)
            if job.state is JobState.RUNNING:
                ledgers.expire(claimed.job)

    def retry(self) -> None:
        """Send what is dead back to the queue."""
        with transaction() as ledger:
            admin.retry_dead(ledger)

    def skip(self) -> None:
        """Pass a session by."""
        names = [session.key for session in ledgers.sessions()]
        try:
            with transaction() as ledger:
                admin.skip(ledger, self._chance.choice(names or ["none"]), "noise")
        except CallError:
            pass

    def reopen(self) -> None:
        """Lose a chunk."""
        done = [job.session_id for job in ledgers.counting(JobState.DONE) if job.session_id]
        if done and ledgers.build(self.build).state is BuildState.OPEN:
            with transaction() as ledger:
                repair.reopen_session(ledger, self._chance.choice(done), "Its chunk is gone.")

    def lose_shard(self) -> None:
        """Let a push find that a shard is damaged."""
        if pushes := ledgers.ready(JobKind.PUBLISH):
            shards = [job.shard_id for job in ledgers.jobs(JobKind.SHARD, JobState.DONE) if job.shard_id]
            with transaction() as ledger:
                repair.reopen_while_pushed(
                    ledger, pushes[0].release_id or 0, self._chance.sample(shards, k=1), "It is cut short."
                )

    def change_fetch(self) -> None:
        """Ask for the same build with other ways for its sources, and another place on the hub or none."""
        if ledgers.build(self.build).state is BuildState.OPEN:
            assert self._ask(*self._chance.choices(_WAYS, k=len(_WAYS))) == self.build

    def _ask(self, *ways: str) -> int:
        sources = [ledgers.source(f"{self._pile}-{number}", fetch=fetch) for number, fetch in enumerate(ways)]
        push = self._chance.choice(_TARGETS)
        return ledgers.ask(sources=sources, pile=self._pile, push=push).build

    def _one_held(self, *, forget: bool = True) -> Claim | None:
        if not self._held:
            return None
        claimed = self._chance.choice(self._held)
        if forget:
            self._held.remove(claimed)
        return claimed


def step_back(claimed: Claim, superseded: SupersededError) -> None:
    try:
        with transaction() as ledger:
            jobs.handle_superseded(ledger, claimed, superseded)
    except SupersededError:
        pass


def check(build: int, capacity: int) -> None:
    """Hold the ledger against what must be true at any time."""
    with transaction() as ledger:
        unended = ledger.scalars(select(Attempt.job_id).where(Attempt.outcome.is_(None))).all()
        running = ledger.scalars(select(Job.id).where(Job.state == JobState.RUNNING)).all()
        without_chunk = ledger.scalar(
            select(func.count())
            .select_from(Session)
            .join(Job, Job.session_id == Session.id)
            .where(Job.state == JobState.DONE, Session.chunk.is_(None))
        )
        holding = ledger.scalars(select(Session.reserved_bytes).where(Session.reserved_bytes > 0)).all()
        waiting_copies = ledger.scalar(
            select(func.count())
            .select_from(Job)
            .join(Asset, Asset.session_id == Job.session_id)
            .where(Job.kind == JobKind.BIN, Job.state.in_([JobState.READY, JobState.RUNNING]))
            .where(Asset.local_path.is_(None))
        )
        streamed_with_room = ledger.scalar(
            select(func.count())
            .select_from(Session)
            .join(Job, Job.session_id == Session.id)
            .where(Job.kind == JobKind.STREAM, Session.admitted_at.is_not(None))
        )
        fetched = select(func.count()).select_from(JobDependency).where(JobDependency.job_id == Job.id)
        needs = select(func.count()).select_from(Asset).where(Asset.session_id == Job.session_id)
        ways = ledger.execute(
            select(Job.kind, fetched.scalar_subquery(), needs.scalar_subquery()).where(
                Job.session_id.is_not(None)
            )
        ).all()
        done = ledger.execute(select(Attempt.job_id).where(Attempt.outcome == Outcome.DONE)).all()
        pushed = ledger.execute(
            select(Job, Release.hub_commit)
            .join(Release, Release.id == Job.release_id)
            .where(Job.kind == JobKind.PUBLISH)
        ).all()
        wished = ledger.scalar(
            select(func.count())
            .select_from(Release)
            .where(Release.hub_repository.is_not(None), Release.hub_commit.is_(None))
            .where(Release.state == ReleaseState.PUBLISHED)
        )
        is_released = ledger.get_one(Build, build).state is BuildState.RELEASED
    assert all((job.state is JobState.DONE) == bool(commit) for job, commit in pushed)
    assert wished == 0 or not is_released
    assert Counter(unended) == Counter(running)
    assert without_chunk == 0
    assert waiting_copies == 0
    assert streamed_with_room == 0
    assert all(waits_for == (assets if kind is JobKind.BIN else 0) for kind, waits_for, assets in ways)
    assert sum(holding) <= capacity or len(holding) == 1
    assert len(done) >= len([job for kind in JobKind for job in ledgers.jobs(kind, JobState.DONE)])
    check_list(ledgers.newest_release(build))


def check_list(newest: Release) -> None:
    """Hold the newest release of the build against the sessions that it was made of.

    A frozen one still needs all their chunks: here it is one shard. A published one stands without them: what
    is lost then was counted when the list was frozen, and nobody waits for it, unless a push finds that the
    shard is damaged.
    """
    if newest.state is ReleaseState.WAITING:
        return
    assert all(source.sealed_at for source in ledgers.sources())
    ended = (JobState.DONE, JobState.SKIPPED)
    lost = {job.session_id for job in ledgers.counting() if job.state not in ended}
    if newest.state is ReleaseState.FROZEN:
        assert lost == set()
    with transaction() as ledger:
        listed = {session.id for session in release_queries.sessions_of(ledger, newest.id)}
    assert lost <= listed
    assert all(session.chunk is None for session in ledgers.sessions() if session.id in lost)
    assert not ledgers.counting(JobState.RUNNING)
    assert not any(ledgers.ready(kind) for kind in (JobKind.FETCH, *COUNTING))


def bring_to_an_end(build: int, capacity: int, *, but_for: JobKind | None = None) -> None:
    """Let everybody behave: what is left behind expires, what is dead is retried, all the rest succeeds.

    It may be left to others to do the jobs of one kind.
    """
    for _ in range(200):
        ledgers.sweep_once(capacity)
        if ledgers.build(build).state is BuildState.RELEASED or (but_for and ledgers.ready(but_for)):
            return
        for kind in JobKind:
            for job in ledgers.jobs(kind, JobState.RUNNING):
                ledgers.expire(job.id)
            for job in ledgers.ready(kind):
                ledgers.set_job(job.id, not_before=job.not_before.replace(year=2000))
                claimed = ledgers.claim(job.id)
                ledgers.finish(claimed, ledgers.result_of(claimed))
        status = ledgers.status(build)
        if status.state == BuildState.OPEN and status.runnable == 0:
            with transaction() as ledger:
                assert admin.retry_dead(ledger) > 0
    raise AssertionError("the build did not end")


@settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
    phases=[Phase.explicit, Phase.generate],  # a shorter run of other events explains nothing
)
@given(
    seed=st.integers(0, 2**32),
    capacity=st.sampled_from([50, 250, 10_000]),
    begins_with=st.sampled_from([JobKind.PLAN, JobKind.FREEZE, JobKind.ASSEMBLE, JobKind.PUBLISH]),
)
# A chunk is lost while the push is under way.
@example(seed=37821, capacity=10_000, begins_with=JobKind.FREEZE)
def test_any_order_of_events_keeps_the_rules_and_the_build_ends(
    seed: int, capacity: int, begins_with: JobKind
) -> None:
    forget_all()
    pile = uuid4().hex
    crowd = Crowd(Random(seed), pile, capacity)  # noqa: S311 - repeatable, not secret
    bring_to_an_end(crowd.build, capacity, but_for=begins_with)
    for _ in range(_STEPS):
        crowd.step()
        check(crowd.build, capacity)
    bring_to_an_end(crowd.build, capacity)
    assert ledgers.newest_release(crowd.build).state is ReleaseState.PUBLISHED
    assert ledgers.reserved() == 0


def forget_all() -> None:
    """Empty the ledger, for the next example."""
    with transaction() as ledger:
        ledger.execute(text("TRUNCATE source_versions, builds, sessions, jobs CASCADE"))
