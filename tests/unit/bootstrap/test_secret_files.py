"""What each service is told: its own passwords, and no other."""

from deploy.bootstrap.secret_files import Passwords, Servers, secret_files

PASSWORDS = Passwords("at-first", "of-postgres", "of-ledger", "of-reader", "of-redis", "of-flower")
KNOWN = {
    "postgres": {"at-first", "of-postgres", "of-ledger"},
    "redis": {"of-redis"},
    "queue": {"of-ledger", "of-reader"},
    "ledger": {"of-ledger"},
    "worker": {"of-ledger", "of-redis"},
    "merger": {"of-ledger", "of-redis", "of-hub"},
    "flower": {"of-redis", "of-flower"},
}


def test_each_share_holds_the_passwords_that_its_services_need() -> None:
    every: set[str] = set().union(*KNOWN.values())
    told = {
        share: {password for password in every if any(password in text for text in files.values())}
        for share, files in secret_files(PASSWORDS, Servers(), "of-hub").items()
    }
    assert told == KNOWN


def test_settings_are_found_under_their_names() -> None:
    names = {share: set(files) for share, files in secret_files(PASSWORDS, Servers()).items()}
    assert names["worker"] == {"spikemill_database_url", "spikemill_broker_url"}
    assert names["queue"] == {"spikemill_database_url", "spikemill_reader_password"}
    assert names["flower"] == {"spikemill_broker_url", "spikemill_flower_password"}


def test_without_a_token_of_the_hub_its_file_is_empty() -> None:
    assert secret_files(PASSWORDS, Servers())["merger"]["hub_token"] == ""
