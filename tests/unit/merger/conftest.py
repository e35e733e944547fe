"""Sessions of generated counts, and the pile that they become."""

from pathlib import Path

import pytest

from tests.unit.merger.generated_piles import GeneratedSession, make_sessions, write_pile


@pytest.fixture
def sessions(tmp_path: Path) -> list[GeneratedSession]:
    """Write the chunks of some sessions below `store`."""
    return make_sessions(tmp_path / "store")


@pytest.fixture
def pile(sessions: list[GeneratedSession], tmp_path: Path) -> Path:
    """Merge the sessions into a pile."""
    write_pile(tmp_path / "pile", sessions)
    return tmp_path / "pile"
