"""The broker forgets everything in the middle of a build: the ledger sends it again."""

import pytest
import redis

from spikemill.services.common.worker.kinds import Queue
from tests.acceptance.builds import Place, pile_of
from tests.acceptance.running_builds import RunningBuild

pytestmark = pytest.mark.chaos


def test_a_flushed_broker_loses_nothing(varied_place: Place, undisturbed: dict[str, str]) -> None:
    with (
        varied_place.archive.hold("^/storage/", times=None) as all_content,
        varied_place.building() as build,
    ):
        build.until(lambda: len(build.ledger.jobs("fetch")) == 18)
        with _broker_of(build) as broker:
            build.until(lambda: _outstanding(broker) >= 10)
            broker.flushall()
            assert _outstanding(broker) < 10
            build.until(lambda: _outstanding(broker) >= 10)
            broker.flushall()
        all_content.release()
        assert build.end() == 0
    assert pile_of(varied_place.home) == undisturbed
    with varied_place.ledger() as ledger:
        assert {tuple(job["outcomes"]) for job in ledger.jobs()} == {("done",)}


def _broker_of(build: RunningBuild) -> redis.Redis:
    """Connect to the build's broker, whose address is redis+socket://PATH?virtual_host=0."""
    socket = build.broker_url().removeprefix("redis+socket://").partition("?")[0]
    return redis.Redis(unix_socket_path=socket)


def _outstanding(broker: redis.Redis) -> int:
    """Return how many messages wait for a worker."""
    return sum(int(str(broker.llen(queue.value))) for queue in Queue)
