"""Every process of a build is killed in the middle of the work: the next run goes on where it was."""

from collections import Counter

import pytest

from standins.archive.server import ArchiveServer
from tests.acceptance.builds import Place
from tests.acceptance.questions import Outcomes

pytestmark = pytest.mark.chaos


def test_a_killed_build_goes_on_where_it_was(varied_place: Place, undisturbed: dict[str, str]) -> None:
    archive = varied_place.archive
    with (
        archive.hold(r"^/storage/.*sub-m7_ses-b\.nwb", after=1000) as half_arrived,
        varied_place.building("--workers", "1") as build,
    ):
        half_arrived.wait_until_reached()
        build.until(lambda: build.ledger.jobs("bin", "done"))
        build.ledger.freeze_one("bin")
        build.until(lambda: len(build.ledger.jobs("fetch", "done")) == 17)
        before = build.ledger.outcomes()
        build.kill_everything()
    bins = [outcomes for job, outcomes in before.items() if job.startswith("bin ")]
    assert bins.count([None]) == 1
    assert bins.count(["done"]) >= 1
    assert bins.count(None) >= 1
    assert not varied_place.home.pile.exists()
    arrived = _bytes_sent(archive)

    assert varied_place.must_build("--workers", "1") == undisturbed
    with varied_place.ledger() as ledger:
        after = ledger.outcomes()
    assert {job: after[job] for job in before} == {job: _continued(before[job]) for job in before}
    again = _bytes_sent(archive) - arrived
    assert [path for path in again if "sub-m7_ses-b.nwb" not in path] == []


def _continued(outcomes: Outcomes | None) -> Outcomes:
    """Return how the attempts of a job end that was left like this: a running one was given back."""
    return ["released", "done"] if outcomes == [None] else ["done"]


def _bytes_sent(archive: ArchiveServer) -> Counter[str]:
    """Return how many bytes of each file's content were sent, by its signed link without the signature."""
    sent = Counter[str]()
    for request in archive.requests("^/storage/", "GET"):
        sent[request.target.partition("&X-Amz")[0]] += request.bytes_sent
    return sent
