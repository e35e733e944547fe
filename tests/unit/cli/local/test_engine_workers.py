"""The specifications of sweeper and workers, and a real Celery worker that is killed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from spikemill.services.cli.local.broker import running_broker, socket_folder
from spikemill.services.cli.local.engine import Address, build_children, python_child
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Interrupts, Supervisor
from spikemill.services.common.worker.kinds import WORKER_KINDS, Queue

Eventually = Callable[[Callable[[], bool]], None]

TOY_APP = """
import os
from celery import Celery
app = Celery("toy", broker=os.environ["SPIKEMILL_BROKER_URL"])
app.conf.update(accept_content=["json"], worker_soft_shutdown_timeout=0)
"""


def test_a_build_has_a_sweeper_and_a_worker_for_every_queue(home: Home) -> None:
    address = Address("postgresql://host/name", "redis://host/0", pid=1, boot="b1")
    children = {child.name: child for child in build_children(home, address, binners=3)}
    assert list(children) == ["sweeper", "downloader", "binner", "streamer", "merger"]
    assert children["sweeper"].command[1:] == ["-m", "spikemill.services.sweeper"]
    workers = [child for child in children.values() if child.name != "sweeper"]
    for child in workers:
        assert child.command[1:4] == ["-m", "spikemill.services.common.worker", child.name]
    assert {queue for child in workers for queue in WORKER_KINDS[child.name].queues} == set(Queue)
    for name in ("binner", "streamer"):
        assert "--processes=3" in children[name].command
        assert WORKER_KINDS[name].environment["ARROW_DEFAULT_MEMORY_POOL"] == "jemalloc"
    assert "--processes=1" in children["merger"].command
    for child in children.values():
        assert child.environment["SPIKEMILL_DATABASE_URL"] == "postgresql://host/name"
        assert child.environment["SPIKEMILL_BROKER_URL"] == "redis://host/0"
        assert child.environment["SPIKEMILL_STORE"] == str(home.path)
        assert child.environment["SPIKEMILL_SPOOL"] == str(home.spool)
        assert child.log == home.logs / f"{child.name}.log"


def test_without_binners_nothing_is_counted(home: Home) -> None:
    address = Address("postgresql://host/name", "redis://host/0", pid=1, boot="b1")
    children = build_children(home, address, binners=0)
    assert [child.name for child in children] == ["sweeper", "downloader", "merger"]


@pytest.mark.chaos
def test_a_killed_celery_worker_takes_its_processes_along_and_is_started_again(
    home: Home, eventually: Eventually, processes_of: Callable[[], list[str]]
) -> None:
    (home.path / "toy_app.py").write_text(TOY_APP)
    supervisor = Supervisor("b1", Interrupts())
    with socket_folder(home, None) as sockets, running_broker(home, sockets, supervisor) as url:
        address = Address("postgresql://host/name", url, pid=os.getpid(), boot="b1")
        arguments = ["celery", "--app=toy_app", "worker", "--concurrency=2", "--without-mingle"]
        worker = python_child("toy", arguments, home, address, ())

        def members() -> set[int]:
            """Return the worker and its processes."""
            folders = ((int(path.name), path) for path in Path("/proc").glob("[0-9]*"))
            return {pid for pid, path in folders if _is_celery_in(home.path, path)}

        with supervisor.running(worker):
            eventually(lambda: len(members()) == 3)
            before = members()
            os.kill(min(before), signal.SIGKILL)
            eventually(lambda: len(members() - before) == 3)
            assert not members() & before
    assert processes_of() == []


def _is_celery_in(folder: Path, process: Path) -> bool:
    """Tell whether a process is Celery's, by its command or its title, and works in the folder."""
    try:
        return (process / "cwd").readlink() == folder and "celery" in (process / "cmdline").read_text()
    except OSError:
        return False
