"""The certificates of a cluster's servers: who is believed, and under which names."""

import os
import socket
import ssl
import stat
from pathlib import Path
from threading import Thread

import pytest

from deploy.bootstrap.cluster import Authority, CertificateError
from deploy.bootstrap.private_files import Owner
from tests.servers.tls.certificates import MISSING, Issued, issue

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

ME = Owner(os.getuid(), os.getgid())


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return issue(tmp_path / "ours", "postgres", "redis", address="10.0.0.5")


def greet(server: Path, authority: Path, name: str) -> None:
    """Connect as the strictest of clients does; raises ssl.SSLError where it does not believe the server."""
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(server)
    believing = ssl.create_default_context(cafile=str(authority))
    believing.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            with shown.wrap_socket(theirs, server_side=True) as connection:
                connection.sendall(b"well")
        except OSError:
            theirs.close()

    thread = Thread(target=answer)
    thread.start()
    try:
        with believing.wrap_socket(ours, server_hostname=name) as connection:
            assert connection.recv(4) == b"well"
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["postgres", "redis", "10.0.0.5"])
def test_server_is_believed_under_each_of_its_names(issued: Issued, name: str) -> None:
    greet(issued.server, issued.authority, name)


@pytest.mark.parametrize("name", ["10.0.0.6", "localhost"])
def test_server_is_not_believed_under_another_name(issued: Issued, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        greet(issued.server, issued.authority, name)


def test_server_of_another_authority_is_not_believed(issued: Issued, tmp_path: Path) -> None:
    other = issue(tmp_path / "other", "postgres", address="10.0.0.5")
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(other.server, issued.authority, "postgres")


def test_authority_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    first = Authority.kept_in(path, ME).certificate
    assert Authority.kept_in(path, ME).certificate == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_certificate_of_authority_holds_no_key(tmp_path: Path) -> None:
    authority = Authority.kept_in(tmp_path / "authority.pem", ME)
    assert "PRIVATE KEY" in authority.path.read_text()
    assert "PRIVATE KEY" not in authority.certificate


def test_file_without_certificate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    path.write_text("nothing")
    with pytest.raises(CertificateError, match=r"authority\.pem holds no certificate"):
        assert Authority(path).certificate
    with pytest.raises(CertificateError, match="openssl made no certificate"):
        Authority(path).signed(["postgres"], "10.0.0.5")
