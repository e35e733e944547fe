"""Which service is told what: the files that each finds under /run/secrets, and no other."""

from collections.abc import Mapping

from services.secrets.addresses import Servers
from services.secrets.passwords import Passwords

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


def shares(passwords: Passwords, servers: Servers, hub_token: str = "") -> Mapping[str, Files]:
    """Return the files of each share: a volume that services of one kind mount.

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
        "migrate": {**ledger, "spikemill_reader_password": passwords.reader},
        "ledger": ledger,
        "worker": {**ledger, **broker},
        "merger": {**ledger, **broker, "hub_token": hub_token},
        "flower": {**broker, "spikemill_flower_password": passwords.flower},
    }
