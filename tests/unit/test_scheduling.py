"""Processes that share a run share what takes long to make."""

from pathlib import Path

from tests.scheduling import TOGETHER, together_with

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
