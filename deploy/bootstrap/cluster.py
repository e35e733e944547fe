"""Several hosts: the first one has Postgres and Redis, and fills a folder with what the others must know.

A person copies that folder, `join`, to the other hosts; the key to the store may lie there before.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Self

from deploy.bootstrap.private_files import Owner, write_once, write_share
from deploy.bootstrap.secret_files import AUTHORITY, Files, Passwords, Servers, secret_files

KEYS = ("spikemill_store_access_key_id", "spikemill_store_secret_access_key")
"""The key to the store, where a person gave one; else AWS's roles are asked."""
NEEDED = ("spikemill_database_url", "spikemill_broker_url", "spikemill_store", AUTHORITY)
OPTIONAL = ("spikemill_store_endpoint", *KEYS)
_OF_SERVER = "server.pem"
# The superuser only from inside, everybody else only over TLS and only to the ledger.
_CLIENTS = """\
local   all        all                scram-sha-256
hostssl spikemill  postgres           127.0.0.1/32  scram-sha-256
hostssl spikemill  spikemill,reader   all           scram-sha-256
"""
_TWENTY_YEARS = 20 * 365
_TEN_YEARS = 10 * 365
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
_CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = {name}
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{extensions}
"""
_OF_AUTHORITY = """\
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
"""
_SERVER_EXTENSIONS = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


class CertificateError(Exception):
    """A certificate could not be made."""


class ClusterError(Exception):
    """Several hosts cannot work together like this; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs the servers' certificates: a file with its key and its own certificate."""

    path: Path

    @classmethod
    def kept_in(cls, path: Path, owner: Owner) -> Self:
        """Return the authority in a file, made now if there is no file."""
        if not path.exists():
            write_once(path, _made("spikemill authority", _OF_AUTHORITY, days=_TWENTY_YEARS), owner)
        return cls(path)

    @property
    def certificate(self) -> str:
        """What a client must believe; there is no secret in it."""
        found = _CERTIFICATE.search(self.path.read_text())
        if found is None:
            raise CertificateError(
                f"{self.path.name} holds no certificate: remove the file from the volume and start again, "
                "then copy the folder join to the other hosts anew."
            )
        return found[0]

    def signed(self, names: Iterable[str], address: str) -> str:
        """Return a new key, and the certificate of a server that is called so; each call makes another."""
        called = ", ".join([*(f"DNS:{name}" for name in names), f"IP:{address}"])
        return _made(
            "spikemill server",
            _SERVER_EXTENSIONS.format(names=called),
            *("-CA", str(self.path), "-CAkey", str(self.path)),
            days=_TEN_YEARS,
        )


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a person decided of it, and the authority that its servers are verified by."""

    address: str
    store: str
    endpoint: str
    authority: Authority

    @classmethod
    def decided(cls, settings: Mapping[str, str], authority: Authority) -> Self:
        """Return the cluster of these settings; raises `ClusterError` for what cannot be one."""
        return cls(
            address=_one_address(settings["SPIKEMILL_BIND"]),
            store=_bucket(settings.get("SPIKEMILL_STORE", "")),
            endpoint=settings.get("SPIKEMILL_STORE_ENDPOINT", ""),
            authority=authority,
        )

    def secret_files(self, passwords: Passwords, keys: Files, hub_token: str = "") -> Mapping[str, Files]:
        """Return the files of each share of the first host: as on a single one, but for TLS and the store."""
        authority = {AUTHORITY: self.authority.certificate}
        server = {_OF_SERVER: self.authority.signed(("postgres", "redis"), self.address)}
        added: Mapping[str, Files] = {
            "postgres": {**server, "pg_hba.conf": _CLIENTS},
            "redis": server,
            "ledger": keys,
            "worker": keys,
            "merger": keys,
        }
        return {
            share: {**files, **authority, **added.get(share, {})}
            for share, files in secret_files(passwords, Servers(encrypted=True), hub_token).items()
        }

    def fill(self, folder: Path, passwords: Passwords, owner: Owner) -> None:
        """Write what other hosts must know, for their and this one's person alone."""
        servers = Servers(postgres=self.address, redis=self.address, encrypted=True)
        told = {
            "spikemill_database_url": servers.database_url(passwords.ledger),
            "spikemill_broker_url": servers.broker_url(passwords.redis),
            "spikemill_store": self.store,
            "spikemill_store_endpoint": self.endpoint,
            AUTHORITY: self.authority.certificate,
        }
        write_share(folder, {name: text for name, text in told.items() if text}, owner)
        for name, text in told.items():
            if not text:
                (folder / name).unlink(missing_ok=True)


def given_keys(folder: Path) -> Files:
    """Return the key to the store, if a person put one into the folder."""
    return {name: (folder / name).read_text() for name in KEYS if (folder / name).is_file()}


def received(folder: Path) -> Files:
    """Return what the first host tells; raises `ClusterError` where something is missing."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ClusterError(
            f"The folder {folder.name} lacks {', '.join(missing)}: copy that of the first host into this "
            "checkout, then start again."
        )
    there = [name for name in (*NEEDED, *OPTIONAL) if (folder / name).is_file()]
    return {name: (folder / name).read_text() for name in there}


def _one_address(text: str) -> str:
    try:
        address = IPv4Address(text)
    except AddressValueError:
        address = IPv4Address(0)
    if address.is_unspecified:
        raise ClusterError(
            f"SPIKEMILL_BIND={text}: write the IPv4 address of this host at which the other hosts reach it."
        )
    return str(address)


def _bucket(text: str) -> str:
    if not text.startswith("s3://"):
        raise ClusterError(
            f"SPIKEMILL_STORE={text}: hosts share no folder; name a bucket, as s3://bucket/prefix."
        )
    return text


def _made(name: str, extensions: str, *signed_by: str, days: int) -> str:
    """Return a new key and its certificate, which signs itself unless somebody else does."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days)]
    where = ["-config", "/dev/stdin", "-keyout", "/dev/stdout", "-out", "/dev/stdout"]
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        ["openssl", "req", "-x509", *new, *signed_by, *where],  # noqa: S607 - the image's own
        input=_CONFIGURATION.format(name=name, extensions=extensions),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CertificateError(f"openssl made no certificate: {done.stderr.strip()}")
    return done.stdout
