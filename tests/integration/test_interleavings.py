"""Whatever happens in whatever order: no job runs twice at once, nothing done is lost, and the build ends."""

from collections import Counter
from random import Random
from uuid import uuid4

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from services.common.database import transaction
from services.common.errors import AssetError, CallError, NetworkError
from services.common.ledger import endings, listings, operations, reopening, waiving
from services.common.ledger.claims import Claim, SupersededError
from services.common.ledger.endings import Result
from services.common.models import Asset, Attempt, Job, Session, SourceVersion
from services.common.models.builds import BuildState, ReleaseState
from services.common.models.work import JobKind, JobState, Outcome
from tests.integration import ledgers

_STEPS = 60


class Crowd:
    """Workers, persons and accidents, of which one at a time does something that chance chooses."""

    def __init__(self, chance: Random, build: int, capacity: int) -> None:
        """Begin with nothing claimed."""
        self._chance = chance
        self._build = build
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
                self.waive,
                self.reopen,
            ],
            [4, 8, 8, 2, 2, 1, 0.3, 0.5],
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
                ledgers.finish(claimed, result_of(claimed))
            except SupersededError as superseded:
                step_back(claimed, superseded)

    def fail(self) -> None:
        """End a job in an error."""
        if claimed := self._one_held():
            error = self._chance.choice([NetworkError("Away."), AssetError("It is gone.")])
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
            operations.retry_dead(ledger)

    def waive(self) -> None:
        """Pass a session by."""
        names = [session.key for session in ledgers.sessions()]
        try:
            with transaction() as ledger:
                waiving.waive(ledger, self._chance.choice(names or ["none"]), "noise")
        except CallError:
            pass

    def reopen(self) -> None:
        """Lose a chunk."""
        done = [job.session_id for job in ledgers.jobs(JobKind.BIN, JobState.DONE) if job.session_id]
        if done and ledgers.build(self._build).state is BuildState.OPEN:
            with transaction() as ledger:
                reopening.reopen_session(ledger, self._chance.choice(done), "Its chunk is gone.")

    def _one_held(self, *, forget: bool = True) -> Claim | None:
        if not self._held:
            return None
        claimed = self._chance.choice(self._held)
        if forget:
            self._held.remove(claimed)
        return claimed


def result_of(claimed: Claim) -> Result:
    """Make up what a job of any kind came to."""
    match claimed.kind:
        case JobKind.PLAN:
            with transaction() as ledger:
                name = ledger.get_one(SourceVersion, claimed.subject).name
            listing = ledgers.listing(name, 2, assets=2)
            return Result({}, lambda session: listings.seal_source(session, claimed.subject, listing))
        case JobKind.FETCH:
            return ledgers.fetched(claimed)
        case JobKind.BIN:
            return ledgers.binned(claimed)
        case JobKind.FREEZE:
            return ledgers.frozen(claimed)
        case JobKind.SHARD:
            return ledgers.shard_written(claimed)
        case JobKind.ASSEMBLE:
            return ledgers.assembled(claimed)


def step_back(claimed: Claim, superseded: SupersededError) -> None:
    try:
        with transaction() as ledger:
            endings.step_back(ledger, claimed, superseded)
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
            .where(Job.state.in_([JobState.READY, JobState.RUNNING]), Asset.local_path.is_(None))
        )
        done = ledger.execute(select(Attempt.job_id).where(Attempt.outcome == Outcome.DONE)).all()
    assert Counter(unended) == Counter(running)
    assert without_chunk == 0
    assert waiting_copies == 0
    assert sum(holding) <= capacity or len(holding) == 1
    assert len(done) >= len([job for kind in JobKind for job in ledgers.jobs(kind, JobState.DONE)])
    if ledgers.newest_release(build).state is not ReleaseState.WAITING:
        states = {job.state for job in ledgers.jobs(JobKind.BIN)}
        assert states <= {JobState.DONE, JobState.WAIVED}
        assert all(source.sealed_at for source in ledgers.sources())


def bring_to_an_end(build: int, capacity: int) -> None:
    """Let everybody behave: what is left behind expires, what is dead is retried, all the rest succeeds."""
    for _ in range(200):
        ledgers.sweep_once(capacity)
        if ledgers.build(build).state is BuildState.RELEASED:
            return
        for kind in JobKind:
            for job in ledgers.jobs(kind, JobState.RUNNING):
                ledgers.expire(job.id)
            for job in ledgers.ready(kind):
                ledgers.set_job(job.id, not_before=job.not_before.replace(year=2000))
                claimed = ledgers.claim(job.id)
                ledgers.finish(claimed, result_of(claimed))
        status = ledgers.status(build)
        if status.state == BuildState.OPEN and status.runnable == 0:
            with transaction() as ledger:
                assert operations.retry_dead(ledger) > 0
    raise AssertionError("the build did not end")


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
    phases=[Phase.generate],  # a shorter run of other events explains nothing
)
@given(seed=st.integers(0, 2**32), capacity=st.sampled_from([50, 250, 10_000]))
def test_any_order_of_events_keeps_the_rules_and_the_build_ends(seed: int, capacity: int) -> None:
    forget_all()
    pile = uuid4().hex
    opened = ledgers.ask(f"{pile}-a", f"{pile}-b", pile=pile)
    crowd = Crowd(Random(seed), opened.build, capacity)  # noqa: S311 - repeatable, not secret
    for _ in range(_STEPS):
        crowd.step()
        check(opened.build, capacity)
    bring_to_an_end(opened.build, capacity)
    assert ledgers.newest_release(opened.build).state is ReleaseState.PUBLISHED
    assert ledgers.reserved() == 0


def forget_all() -> None:
    """Empty the ledger, for the next example."""
    with transaction() as ledger:
        ledger.execute(text("TRUNCATE source_versions, builds, sessions, jobs CASCADE"))
