"""A test may skip where `skips.txt` names it, and nowhere else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.skips import NAMED, places

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
_ALONE = ("-p", "xdist", "-p", "no:cacheprovider")
_CONFTEST = """
from pathlib import Path

from tests.harness.skips import Skips

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips(Path("skips.txt")))
"""
_SUITE = """
import pytest

@pytest.mark.parametrize("letter", ["a@b", "[c]"])
def test_named(letter):
    pytest.skip("there is no " + letter)

def test_passes():
    pass
"""
_SURPRISE = """
@pytest.mark.skipif(True, reason="it is late")
def test_surprise():
    pass
"""
_NAMED = "[elsewhere]\ntest_suite.py::test_named  # by letters\n"


def run(folder: Path, suite: str, *options: str, named: str = _NAMED) -> tuple[int, str]:
    """Run a suite of its own; return its exit status and what it said."""
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_suite.py").write_text(suite)
    (folder / "skips.txt").write_text(named)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *_ALONE, "--rootdir", str(folder), *options],
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def test_what_is_named_may_skip(tmp_path: Path) -> None:
    status, said = run(tmp_path, _SUITE)
    assert (status, "1 passed, 2 skipped" in said, "not named" in said) == (0, True, False), said


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_what_is_not_named_fails_the_run(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, said = run(tmp_path, _SUITE + _SURPRISE, *options)
    assert (status, "1 passed, 3 skipped" in said) == (1, True), said
    assert "skipped, and not named in skips.txt" in said
    assert "test_suite.py::test_surprise: it is late" in said
    assert "test_named: " not in said


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_a_module_that_skips_as_a_whole_fails_the_run(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, said = run(tmp_path, "import pytest\npytest.importorskip('no_such_module')\n", *options)
    assert status == 1, said
    assert "test_suite.py: could not import 'no_such_module'" in said


def test_a_failure_stays_a_failure(tmp_path: Path) -> None:
    status, said = run(tmp_path, _SUITE + "def test_fails():\n    assert False\n")
    assert (status, "1 failed, 1 passed, 2 skipped" in said) == (1, True), said


def test_each_test_that_is_named_is_there() -> None:
    for name in places(NAMED.read_text()):
        file, _, test = name.partition("::")
        tree = ast.parse((CHECKOUT / file).read_text())
        assert test in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, name


@pytest.mark.parametrize(
    ("text", "said"), [("a.py::a\n", "under no place"), ("[here]\na.py::a\n[there]\na.py::a\n", "twice")]
)
def test_a_name_stands_once_and_under_a_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        places(text)
