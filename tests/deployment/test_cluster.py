"""Two hosts, here two projects on one machine: the first leads the demo's build, the second does the work.

They share a bucket, and what the first one wrote into its folder `join`; all else between them is TLS.
"""

import json
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
import redis

from tests.acceptance.builds import DEMO
from tests.deployment.projects import (
    CHECKOUT,
    Project,
    bridge,
    docker,
    gone_afterwards,
    own_name,
    plain_user,
    why_no_engine,
)
from tests.servers.s3.server import S3Server, serve_s3
from tests.servers.tls.certificates import MISSING, issue

pytestmark = [
    pytest.mark.skipif(why_no_engine() is not None, reason=str(why_no_engine())),
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(3600),
]

POSTGRES, REDIS, ARCHIVE = 5432, 6379, 8000
# The demo's archive is made up on the first host; here the other one may reach it.
ARCHIVE_ANSWERS = """\
services:
  archive:
    networks: [front]
    ports: [{{target: {port}, published: "{port}", host_ip: {address}}}]
"""
ARCHIVE_IS_KNOWN = """\
services:
  downloader: {{extra_hosts: ["archive.spikemill:{address}"]}}
  streamer: {{extra_hosts: ["archive.spikemill:{address}"]}}
"""
WORKED = """
    SELECT DISTINCT split_part(attempt.owner, ':', 1)
    FROM attempts AS attempt JOIN jobs AS job ON job.id = attempt.job_id
    WHERE job.kind IN ('plan', 'fetch', 'bin', 'stream')
"""


@dataclass(frozen=True)
class Cluster:
    """Both hosts when the pile stands, and what the second one was told."""

    first: Project
    second: Project
    join: Path
    address: str

    @property
    def authority(self) -> Path:
        """The certificate that its servers are verified by."""
        return self.join / "ca.pem"

    def told(self, name: str) -> str:
        """Return what a file of the folder says."""
        return (self.join / name).read_text().strip()

    def database_url(self, authority: Path | None = None) -> str:
        """Return the ledger's address for a client on this machine, encrypted where it can be verified."""
        plain = self.told("spikemill_database_url").partition("?")[0]
        if authority is None:
            return f"{plain}?sslmode=disable"
        return f"{plain}?sslmode=verify-full&sslrootcert={authority}"

    def broker_password(self) -> str:
        """Return the password of Redis."""
        return urlsplit(self.told("spikemill_broker_url")).password or ""

    def hosts(self, project: Project, *services: str) -> Sequence[str]:
        """Return the names that the containers of some services know themselves by."""
        return [
            each["Config"]["Hostname"]
            for each in project.containers()
            if each["Config"]["Labels"]["com.docker.compose.service"] in services
        ]


@pytest.fixture(scope="module")
def address() -> str:
    """Give the address that the first host binds its servers to, where their ports are free."""
    address = bridge()
    for port in (POSTGRES, REDIS, ARCHIVE):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address, port))
            except OSError:
                pytest.skip(f"port {port} of {address} is taken")
    return address


@pytest.fixture(scope="module")
def store(address: str) -> Iterator[S3Server]:
    """Run a bucket that both hosts reach."""
    with serve_s3(address) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(open_folder: Path, address: str, store: S3Server) -> Iterator[Cluster]:
    """Start both hosts, and wait for the pile."""
    homes = open_folder / "hosts"
    first, second = homes / "first", homes / "second"
    for home in (first, second):
        home.mkdir(parents=True)
    with ExitStack() as stack:
        leading = stack.enter_context(gone_afterwards(_leading(first, address, store)))
        _give_key(first / "join", store)
        leading.run("--profile", "demo", "up", "--build", "--detach", "sweeper", "merger", "flower", "demo")
        shutil.copytree(first / "join", second / "join")
        joining = stack.enter_context(gone_afterwards(_joining(second, address)))
        joining.run("up", "--build", "--detach", "--wait", "--scale", "binner=2")
        leading.run("--profile", "demo", "up", "--detach", "--wait", "flower", "demo")
        yield Cluster(leading, joining, second / "join", address)


def _leading(home: Path, address: str, store: S3Server) -> Project:
    overlay = home / "compose.test.yml"
    overlay.write_text(ARCHIVE_ANSWERS.format(port=ARCHIVE, address=address))
    return Project(
        own_name("first"),
        [CHECKOUT / "docker-compose.yml", CHECKOUT / "compose.cluster.yml", overlay],
        {
            **plain_user(),
            "SPIKEMILL_HOME": str(home / "var"),
            "SPIKEMILL_JOIN": str(home / "join"),
            "SPIKEMILL_BIND": address,
            "SPIKEMILL_STORE": f"s3://{store.bucket}/piles",
            "SPIKEMILL_STORE_ENDPOINT": store.endpoint,
            "SPIKEMILL_FLOWER_PORT": "0",
        },
    )


def _joining(home: Path, address: str) -> Project:
    overlay = home / "compose.test.yml"
    overlay.write_text(ARCHIVE_IS_KNOWN.format(address=address))
    files = [CHECKOUT / "compose.worker.yml", overlay]
    return Project(own_name("second"), files, {**plain_user(), "SPIKEMILL_JOIN": str(home / "join")})


def _give_key(join: Path, store: S3Server) -> None:
    """Do what a person does before the first start."""
    join.mkdir(mode=0o700)
    for name, text in (("access_key_id", store.key_id), ("secret_access_key", store.secret)):
        (join / f"spikemill_store_{name}").write_text(text)


def test_pile_is_that_of_one_machine(cluster: Cluster) -> None:
    said = cluster.first.run("logs", "--no-log-prefix", "demo").stdout
    assert f"sha256 {DEMO}" in said


def test_other_host_did_the_work(cluster: Cluster) -> None:
    with psycopg.connect(cluster.database_url(cluster.authority)) as connection:
        worked = {host for (host,) in connection.execute(WORKED)}
    assert worked
    assert worked <= set(cluster.hosts(cluster.second, "downloader", "binner", "streamer"))


def test_broker_answers_who_verifies_it(cluster: Cluster) -> None:
    with redis.Redis(
        cluster.address,
        REDIS,
        password=cluster.broker_password(),
        ssl=True,
        ssl_ca_certs=str(cluster.authority),
    ) as client:
        assert client.ping()


def test_plain_connections_are_refused(cluster: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(cluster.database_url())
    with (
        redis.Redis(cluster.address, REDIS, password=cluster.broker_password()) as client,
        pytest.raises(redis.ConnectionError),
    ):
        client.ping()


def test_servers_of_another_authority_are_not_believed(cluster: Cluster, tmp_path: Path) -> None:
    other = issue(tmp_path / "other").authority
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(cluster.database_url(other))
    with (
        redis.Redis(cluster.address, REDIS, ssl=True, ssl_ca_certs=str(other)) as client,
        pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.ping()


def test_nobody_gets_in_without_the_password(cluster: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.database_url(cluster.authority), password=uuid4().hex)
    with (
        redis.Redis(cluster.address, REDIS, ssl=True, ssl_ca_certs=str(cluster.authority)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_superuser_gets_in_from_nowhere_but_beside_the_server(cluster: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(cluster.database_url(cluster.authority), user="postgres")


def test_no_password_is_seen_from_outside(cluster: Cluster, store: S3Server) -> None:
    ledger = urlsplit(cluster.database_url()).password or ""
    for project in (cluster.first, cluster.second):
        containers = project.containers()
        seen = json.dumps(containers) + "".join(
            text for each in containers for text in _logs(str(each["Id"]))
        )
        assert "spikemill.services.common.worker.runner: done" in seen
        assert not [each for each in (ledger, cluster.broker_password(), store.secret) if each in seen]


def _logs(container: str) -> tuple[str, str]:
    told = docker("logs", container)
    return told.stdout, told.stderr


def test_nothing_of_a_pile_stays_on_a_host(cluster: Cluster) -> None:
    assert not list(cluster.join.parents[1].rglob("*.parquet"))
