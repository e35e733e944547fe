"""Which service is told what: the files that each finds under /run/secrets, and no other."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from deploy.bootstrap.private_files import Owner, write_once

Files = Mapping[str, str]
"""The text of each file, by its name."""
# The ledger's own locks are advisory: nobody else shall hold one.
_ROLES = """\
CREATE ROLE spikemill LOGIN CREATEROLE PASSWORD '{ledger}';
ALTER DATABASE spikemill OWNER TO spikemill;
REVOKE TEMPORARY ON DATABASE spikemill FROM PUBLIC;
DO $$
DECLARE
    lock regprocedure;
BEGIN
    FOR lock IN SELECT oid FROM pg_proc WHERE proname ~ '^pg_(try_)?advisory_' LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO spikemill', lock);
    END LOOP;
END $$;
ALTER ROLE postgres PASSWORD '{superuser}';
"""
_BYTES = 32
# What drawn ones are made of, and what needs no quotes in an address, in SQL and in Redis' configuration.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
AUTHORITY = "ca.pem"
"""The certificate that encrypted servers are verified by; it lies beside the addresses."""
_AUTHORITY = f"/run/secrets/{AUTHORITY}"
_POSTGRES_VERIFIED = f"?sslmode=verify-full&sslrootcert={_AUTHORITY}"
_REDIS_VERIFIED = f"?ssl_cert_reqs=required&ssl_ca_certs={_AUTHORITY}"


@dataclass(frozen=True, slots=True)
class Passwords:
    """One for each account, and a file for each in the folder of passwords.

    `postgres` is the superuser of the database, `ledger` owns the ledger in it, `reader` may look at it.
    `first` is the superuser's until Postgres first runs: its image puts that one into the environment.
    """

    first: str
    postgres: str
    ledger: str
    reader: str
    redis: str
    flower: str

    @classmethod
    def kept_in(cls, folder: Path, owner: Owner) -> Self:
        """Read the passwords, and draw those that are missing.

        Raises `PasswordError` where a file holds none.
        """
        return cls(**{field.name: _kept(folder / field.name, owner) for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are, and whether they speak TLS alone."""

    postgres: str = "postgres"
    redis: str = "redis"
    encrypted: bool = False

    def database_url(self, password: str) -> str:
        """Return the ledger's address."""
        verified = _POSTGRES_VERIFIED if self.encrypted else ""
        return f"postgresql://spikemill:{password}@{self.postgres}:5432/spikemill{verified}"

    def broker_url(self, password: str) -> str:
        """Return the broker's address."""
        scheme, verified = ("rediss", _REDIS_VERIFIED) if self.encrypted else ("redis", "")
        return f"{scheme}://:{password}@{self.redis}:6379/0{verified}"


def secret_files(passwords: Passwords, servers: Servers, hub_token: str = "") -> Mapping[str, Files]:
    """Return the files of each share: a folder that services of one kind mount.

    The merger alone has the token of the Hugging Face hub; without one it finds an empty file.
    """
    ledger = {"spikemill_database_url": servers.database_url(passwords.ledger)}
    broker = {"spikemill_broker_url": servers.broker_url(passwords.redis)}
    return {
        "postgres": {
            "first_password": passwords.first,
            "postgres_password": passwords.postgres,
            "roles.sql": _ROLES.format(ledger=passwords.ledger, superuser=passwords.postgres),
        },
        "redis": {"redis_password": passwords.redis, "redis.conf": f"requirepass {passwords.redis}\n"},
        "queue": {**ledger, "spikemill_reader_password": passwords.reader},
        "ledger": ledger,
        "worker": {**ledger, **broker},
        "merger": {**ledger, **broker, "hub_token": hub_token},
        "flower": {**broker, "spikemill_flower_password": passwords.flower},
    }


class PasswordError(Exception):
    """A file of passwords holds something else."""


def _kept(path: Path, owner: Owner) -> str:
    """Return the password in a file, drawn now if there is no file."""
    write_once(path, f"{secrets.token_urlsafe(_BYTES)}\n", owner)
    password = path.read_text().strip()
    if not _PLAIN.fullmatch(password):
        raise PasswordError(
            f"{path.name}: write a password of letters, digits, - and _ there, or remove the file."
        )
    return password
