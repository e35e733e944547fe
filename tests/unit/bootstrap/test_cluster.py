"""What the first of several hosts tells the others, and what it tells its own services."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy.bootstrap.cluster import Authority, Cluster, ClusterError, given_keys, received
from deploy.bootstrap.private_files import Owner
from deploy.bootstrap.secret_files import Passwords, Servers, secret_files
from tests.servers.tls.certificates import MISSING

needs_openssl = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

ME = Owner(os.getuid(), os.getgid())
DECIDED = {"SPIKEMILL_BIND": "10.0.0.5", "SPIKEMILL_STORE": "s3://lab/piles"}
KEYS = {"spikemill_store_access_key_id": "somebody", "spikemill_store_secret_access_key": "unsaid"}


@pytest.fixture
def passwords(tmp_path: Path) -> Passwords:
    folder = tmp_path / "passwords"
    folder.mkdir()
    return Passwords.kept_in(folder, ME)


@pytest.fixture
def join(tmp_path: Path) -> Path:
    folder = tmp_path / "join"
    folder.mkdir()
    return folder


def decided(tmp_path: Path, **changes: str) -> Cluster:
    authority = Authority.kept_in(tmp_path / "authority.pem", ME)
    return Cluster.decided({**DECIDED, **changes}, authority)


def query(address: str) -> Mapping[str, list[str]]:
    return parse_qs(urlsplit(address).query)


@needs_openssl
def test_other_hosts_are_told_all_they_need(tmp_path: Path, passwords: Passwords, join: Path) -> None:
    decided(tmp_path, SPIKEMILL_STORE_ENDPOINT="https://store.lab:9000").fill(join, passwords, ME)
    told = received(join)
    assert told["spikemill_store"] == "s3://lab/piles"
    assert told["spikemill_store_endpoint"] == "https://store.lab:9000"
    database, broker = told["spikemill_database_url"], told["spikemill_broker_url"]
    assert urlsplit(database).netloc == f"spikemill:{passwords.ledger}@10.0.0.5:5432"
    assert urlsplit(broker).netloc == f":{passwords.redis}@10.0.0.5:6379"
    assert query(database) == {"sslmode": ["verify-full"], "sslrootcert": ["/run/secrets/ca.pem"]}
    assert query(broker) == {"ssl_cert_reqs": ["required"], "ssl_ca_certs": ["/run/secrets/ca.pem"]}
    assert urlsplit(broker).scheme == "rediss"
    assert told["ca.pem"] == Authority(tmp_path / "authority.pem").certificate


@needs_openssl
def test_folder_for_other_hosts_is_private(tmp_path: Path, passwords: Passwords, join: Path) -> None:
    decided(tmp_path).fill(join, passwords, ME)
    assert stat.S_IMODE(join.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in join.iterdir()} == {0o600}


@needs_openssl
def test_folder_for_other_hosts_holds_no_key_and_no_password_of_others(
    tmp_path: Path, passwords: Passwords, join: Path
) -> None:
    decided(tmp_path).fill(join, passwords, ME)
    text = "".join(path.read_text() for path in join.iterdir())
    assert "PRIVATE KEY" not in text
    assert not [each for each in (passwords.postgres, passwords.flower, passwords.reader) if each in text]


@needs_openssl
def test_what_is_decided_no_more_is_told_no_more(tmp_path: Path, passwords: Passwords, join: Path) -> None:
    decided(tmp_path, SPIKEMILL_STORE_ENDPOINT="https://store.lab:9000").fill(join, passwords, ME)
    decided(tmp_path).fill(join, passwords, ME)
    assert "spikemill_store_endpoint" not in received(join)


@needs_openssl
def test_key_to_the_store_reaches_whoever_uses_it(tmp_path: Path, passwords: Passwords, join: Path) -> None:
    for name, text in KEYS.items():
        (join / name).write_text(text)
    cluster = decided(tmp_path)
    cluster.fill(join, passwords, ME)
    files_of = cluster.secret_files(passwords, given_keys(join))
    knowing = {share for share, files in files_of.items() if files.items() >= KEYS.items()}
    assert knowing == {"ledger", "worker", "merger"}
    assert received(join).items() >= KEYS.items()


@needs_openssl
def test_services_of_the_first_host_verify_its_servers(tmp_path: Path, passwords: Passwords) -> None:
    files_of = decided(tmp_path).secret_files(passwords, {})
    for files in files_of.values():
        assert "ca.pem" in files
        for name in {"spikemill_database_url", "spikemill_broker_url"} & files.keys():
            assert "/run/secrets/ca.pem" in files[name]
    assert {share for share, files in files_of.items() if "PRIVATE KEY" in "".join(files.values())} == {
        "postgres",
        "redis",
    }


@needs_openssl
def test_postgres_lets_only_encrypted_clients_in(tmp_path: Path, passwords: Passwords) -> None:
    rules = [
        line.split()
        for line in decided(tmp_path).secret_files(passwords, {})["postgres"]["pg_hba.conf"].splitlines()
    ]
    assert {rule[0] for rule in rules} == {"local", "hostssl"}
    assert {rule[-1] for rule in rules} == {"scram-sha-256"}
    assert [rule[3] for rule in rules if rule[2] == "postgres"] == ["127.0.0.1/32"]


def test_single_host_speaks_plainly_on_its_own_network(passwords: Passwords) -> None:
    files = secret_files(passwords, Servers())["worker"]
    assert (
        files["spikemill_database_url"]
        == f"postgresql://spikemill:{passwords.ledger}@postgres:5432/spikemill"
    )
    assert files["spikemill_broker_url"] == f"redis://:{passwords.redis}@redis:6379/0"


@pytest.mark.parametrize("address", ["", "0.0.0.0", "db.lab", "10.0.0.5:5432", "fd00::5"])  # noqa: S104 - refused
def test_what_is_no_address_of_a_host_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ClusterError, match="write the IPv4 address"):
        Cluster.decided({**DECIDED, "SPIKEMILL_BIND": address}, Authority(tmp_path / "none"))


@pytest.mark.parametrize("store", ["", "/spikemill/var"])
def test_folder_is_no_store_of_several_hosts(tmp_path: Path, store: str) -> None:
    with pytest.raises(ClusterError, match="s3://bucket/prefix"):
        Cluster.decided({**DECIDED, "SPIKEMILL_STORE": store}, Authority(tmp_path / "none"))


def test_incomplete_folder_is_refused(join: Path) -> None:
    (join / "ca.pem").write_text("")
    with pytest.raises(
        ClusterError, match="lacks spikemill_database_url, spikemill_broker_url, spikemill_store:"
    ):
        received(join)
