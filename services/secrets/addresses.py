"""How a service reaches Postgres and Redis: their addresses, with the password in them."""

from dataclasses import dataclass

AUTHORITY = "ca.pem"
"""The certificate that encrypted servers are verified by; it lies beside the addresses."""

_AUTHORITY = f"/run/secrets/{AUTHORITY}"
_POSTGRES_VERIFIED = f"?sslmode=verify-full&sslrootcert={_AUTHORITY}"
_REDIS_VERIFIED = f"?ssl_cert_reqs=required&ssl_ca_certs={_AUTHORITY}"


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
