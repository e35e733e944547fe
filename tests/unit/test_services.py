"""The services have one name, in a checkout as in an installation."""

import sys

import pytest


def test_the_folder_is_not_imported_by_itself() -> None:
    """Two names would be two copies of each module: two sets of tables, of settings, of errors."""
    sys.modules.pop("services", None)
    with pytest.raises(ImportError, match=r"imported by one name only: spikemill\.services"):
        __import__("services")
