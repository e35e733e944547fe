"""Each server and worker dies once in one build, binners come and go, everything stops: the same bytes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from spikemill.services.merger.provenance import pile_digest
from tests.acceptance.builds import DEMO
from tests.deployment.deployments import (
    ask,
    by_service,
    demo,
    fresh_deployment,
    kill_all_in,
    leftovers,
    networks,
    slow_down,
    until,
)
from tests.deployment.projects import Project, why_no_engine

pytestmark = [
    pytest.mark.skipif(why_no_engine() is not None, reason=str(why_no_engine())),
    pytest.mark.timeout(1800),
]

WORKERS, SERVERS = ("binner", "downloader"), ("redis", "postgres")
# What is killed begins again soon. The archive is asked so slowly that there is time for everything; and who
# takes too much memory reaches the limit of the container first.
SETTINGS = {
    "SPIKEMILL_LEASE": "PT20S",
    "SPIKEMILL_HEARTBEAT": "PT4S",
    "SPIKEMILL_REQUESTS_PER_MINUTE": "12",
    "SPIKEMILL_MAX_CRASHES": "20",
    "SPIKEMILL_BINNER_MEMORY": "768m",
    "SPIKEMILL_WORKER_MEMORY_BYTES": str(2**32),
}
HASTE = {"SPIKEMILL_REQUESTS_PER_MINUTE": "60000"}
RUNNING = "SELECT count(*) > 0 FROM jobs WHERE kind = '{kind}' AND state = 'running'"
VANISHED = """
    SELECT string_agg(DISTINCT kind::text, ' ') FROM attempts JOIN jobs ON jobs.id = job_id
    WHERE outcome = 'vanished'
"""
OUT_OF_MEMORY = """
    SELECT count(*) > 0 FROM attempts JOIN jobs ON jobs.id = job_id
    WHERE kind = 'stream' AND outcome = 'vanished' AND attempts.error LIKE '%memory of its container%'
"""
GOES_ON = "SELECT count(*) > 0 FROM jobs WHERE kind = 'stream' AND state = 'done'"
RELEASES = "SELECT count(*) FROM releases WHERE state = 'published'"
# Takes memory until the kernel kills somebody for it; that is not who takes it.
HOG = """
from pathlib import Path

counts = [Path("/sys/fs/cgroup") / name for name in ("memory.events", "memory/memory.oom_control")]
count = next(path for path in counts if path.exists())

def kills() -> int:
    return int(count.read_text().split("oom_kill ")[1].split()[0])

before, taken = kills(), []
while kills() == before:
    taken.append(bytes([1]) * 2**24)
"""


def test_a_build_survives_everything_with_the_same_bytes(open_folder: Path) -> None:
    with fresh_deployment(open_folder / "disturbed", **SETTINGS) as project:
        demo(project, "up", "--build", "--detach")
        slow_down(project, "binner")
        for service, kind in (("downloader", "fetch"), ("binner", "bin")):
            until(partial(_is_true, project, RUNNING.format(kind=kind)))
            kill_all_in(project, service)
        until(partial(_streams_on, project))
        project.attempt("exec", "-T", "streamer", "python", "-c", HOG)
        until(partial(_is_true, project, OUT_OF_MEMORY))
        _began_again(project, WORKERS)
        demo(project, "unpause", "archive")
        _scale_binners(project, 4)
        for service in SERVERS:
            kill_all_in(project, service)
        until(partial(_is_true, project, GOES_ON))
        assert ask(project, RELEASES) == "0"
        _began_again(project, SERVERS)
        _scale_binners(project, 1)

        demo(project, "down")
        assert networks(project) == {}
        hasty = replace(project, environment={**project.environment, **HASTE})
        demo(hasty, "up", "--wait")
        assert pile_digest(open_folder / "disturbed" / "var" / "pile") == DEMO
        assert set(ask(project, VANISHED).split()) >= {"bin", "fetch", "stream"}

        demo(project, "down", "--volumes")
        assert leftovers(project) == []


def _began_again(project: Project, services: Sequence[str]) -> None:
    """Check that each service ended and was started again."""
    restarts = {name: each["RestartCount"] for name, each in by_service(project).items()}
    assert all(restarts[name] for name in services), restarts


def _scale_binners(project: Project, number: int) -> None:
    """Have so many binners, whatever else runs."""
    project.run("up", "--detach", "--no-deps", "--scale", f"binner={number}", "binner")
    assert len(project.run("ps", "--quiet", "binner").stdout.split()) == number


def _streams_on(project: Project) -> bool:
    """Tell whether a session is streamed that cannot end, for the archive stands still."""
    query = RUNNING.format(kind="stream")
    if not _is_true(project, query):
        return False
    demo(project, "pause", "archive")
    if _is_true(project, query):
        return True
    demo(project, "unpause", "archive")
    return False


def _is_true(project: Project, query: str) -> bool:
    return ask(project, query) == "t"
