"""Processes that share a run share what takes long to make."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.harness.scheduling import TOGETHER, longest_first, together_with

CHECKOUT = Path(__file__).parents[2]


def test_what_goes_together_is_there() -> None:
    for file in TOGETHER:
        assert (CHECKOUT / file).is_file()


def test_long_tests_go_each_to_the_next_process_and_small_ones_with_their_file() -> None:
    long = [f"tests/acceptance/test_killed_build.py::test_{name}" for name in ("a", "b")]
    assert [together_with(name) for name in long] == long
    assert together_with("tests/unit/test_a.py::test_a[x::y]") == "tests/unit/test_a.py"
    wheel, pile = (f"tests/acceptance/test_{name}.py::test_a" for name in ("wheel", "demo_pile"))
    assert together_with(wheel) == together_with(pile)


def test_what_goes_together_begins_first_and_the_rest_keeps_its_order() -> None:
    names = [
        "tests/acceptance/test_b.py::test",
        "tests/unit/test_a.py::test",
        "tests/acceptance/test_wheel.py::test",
    ]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    longest_first(items)
    assert [item.nodeid for item in items] == [names[2], *names[:2]]
