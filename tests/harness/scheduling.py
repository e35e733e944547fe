"""Which tests run in the same process, where several share a run, and which of all begin first.

xdist's own `--dist loadgroup` reads marks, which pytest 9 no longer lets it write into the names of tests.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# The tests of one file go together where each on its own would cost more than it gains.
_SMALL = ("tests/deployment/", "tests/unit/")
# These use what takes long to make, and lies in memory or on a port.
TOGETHER = {
    "tests/acceptance/source_layouts/test_form_files.py": "the types that pynwb makes",
    "tests/acceptance/source_layouts/test_rodent_sources.py": "the pile of all rodents",
    "tests/acceptance/test_command.py": "the lab",
    "tests/acceptance/test_demo_pile.py": "the demo of the wheel",
    "tests/acceptance/test_flower.py": "the watched build",
    "tests/acceptance/test_published_pile.py": "the pile that is pushed",
    "tests/acceptance/test_rodent_plan.py": "the listings of all rodents",
    "tests/acceptance/test_wheel.py": "the demo of the wheel",
}


def longest_first(items: list[pytest.Item]) -> None:
    """Put first what goes together; acceptance tests follow, and nothing long is left for the end."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in TOGETHER)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process the next test, or the next tests that go together, when it has nearly none left."""

    def __init__(self, config: Any, log: Any = None) -> None:
        """Keep the order of the tests."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return together_with(nodeid)


def together_with(nodeid: str) -> str:
    """Return what tests have in common that run in the same process."""
    file = nodeid.partition("::")[0]
    return file if file.startswith(_SMALL) else TOGETHER.get(file, nodeid)
