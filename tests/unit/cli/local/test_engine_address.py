"""The address that a running engine leaves for other commands."""

import stat

from spikemill.services.cli.local.engine import Address, forget_address, published, running_address
from spikemill.services.cli.local.home import Home

ADDRESS = Address("postgresql://someone:secret@host/name", "redis://host/0", pid=1, boot="b1")


def test_other_commands_find_the_engine_while_it_runs(home: Home) -> None:
    with home.locked(), published(home, ADDRESS):
        assert running_address(home) == ADDRESS
        assert stat.S_IMODE((home.state / "address.json").stat().st_mode) == 0o600
    assert running_address(home) is None


def test_the_address_of_a_killed_engine_is_not_used(home: Home) -> None:
    with published(home, ADDRESS):
        assert running_address(home) is None


def test_an_engine_that_is_still_starting_has_no_address(home: Home) -> None:
    with home.locked():
        assert running_address(home) is None


def test_a_forgotten_address_is_gone(home: Home) -> None:
    with home.locked(), published(home, ADDRESS):
        forget_address(home)
        assert running_address(home) is None


def test_passwords_do_not_show() -> None:
    assert "secret" not in repr(ADDRESS)
    assert ADDRESS.environment()["SPIKEMILL_BOOT"] == "b1"
