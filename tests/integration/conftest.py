"""Every test here has a ledger of its own."""

import pytest


@pytest.fixture(autouse=True)
def _with_ledger(ledger: str) -> None:
    """Give the test its ledger."""
