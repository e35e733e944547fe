"""What all tests share: a folder that plain users can reach, and real servers."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest

from spikemill.services.cli.local.engine import Address, running_engine
from spikemill.services.cli.local.home import Home
from spikemill.services.common.database import engine
from spikemill.services.common.migrate import migrate
from spikemill.services.common.settings import settings
from tests.harness.ledger_databases import LedgerDatabases
from tests.harness.scheduling import Scheduling, longest_first
from tests.harness.shared_runs import folder_of, make_folder, tell_of_folder
from tests.harness.skips import Skips
from tests.servers.s3.server import S3Server, serve_s3

# Until all is collected there is only more and more to keep.
gc.disable()
# A busy machine fails no test.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run; and let no test skip that may not: the process that hears of all looks."""
    make_folder(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each process of this run where its folder is; this one collects no tests, but garbage."""
    gc.enable()
    tell_of_folder(node.config, node.workerinput)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Keep together what would be made again in each process."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    longest_first(items)


def pytest_collection_finish() -> None:
    """Have the collector of garbage look no more at what is loaded by now: a million objects, which stay."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Leave the end of the process to find its garbage: libraries complain of what is not taken apart."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let the processes that tests start hear signals: a shell's background job begins with them ignored."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def open_folder(request: pytest.FixtureRequest) -> Path:
    """Give a folder that every user may enter: pytest's own are closed to the user of Postgres."""
    folder = folder_of(request.config) / f"process-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def servers(open_folder: Path) -> Iterator[Address]:
    """Run Postgres and a broker for the whole session."""
    with running_engine(Home(open_folder / "servers")) as running:
        yield running.address


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Run a server that speaks S3 for the whole session."""
    with serve_s3() as server:
        yield server


@pytest.fixture
def s3_prefix(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give an empty part of the server's bucket to a test, and let the settings name it as the store."""
    prefix = f"tests/{uuid4().hex}"
    for name, value in s3.environment(prefix).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPIKEMILL_SCRATCH", str(tmp_path / "scratch"))
    settings.cache_clear()
    yield prefix
    s3.fail()
    settings.cache_clear()


@pytest.fixture(scope="session")
def migrated(servers: Address) -> str:
    """Give the address of a database with the ledger's schema, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        _use(patch, servers.database_url)
        migrate()
        engine().dispose()
    settings.cache_clear()
    return servers.database_url


@pytest.fixture(scope="session")
def ledger_databases(migrated: str) -> Iterator[LedgerDatabases]:
    """Give what makes an empty ledger for each test."""
    databases = LedgerDatabases(migrated)
    yield databases
    databases.drop()


@pytest.fixture
def ledger(
    ledger_databases: LedgerDatabases, servers: Address, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Give an empty ledger of its own to a test, and let the settings name it."""
    address = ledger_databases.give()
    _use(monkeypatch, address)
    monkeypatch.setenv("SPIKEMILL_BROKER_URL", servers.broker_url)
    # Taken now: at its end a test may have the settings name another ledger.
    own = engine()
    yield address
    ledger_databases.take_back(own)
    settings.cache_clear()


def _use(patch: pytest.MonkeyPatch, address: str) -> None:
    patch.setenv("SPIKEMILL_DATABASE_URL", address)
    settings.cache_clear()
