"""A lock is installed as it stands, whatever an index offers beside it, and by what pip alone is told."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.tls.certificates import MISSING, issue
from tests.unit.requirements.made_wheels import make_wheel, served_index, write_lock

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[3]
SCRIPT = CHECKOUT / "requirements" / "install.py"
# What the caller's own environment says of an index would decide where these tests install from.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_"))}
ALONE = {**CLEAN, "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="module")
def script() -> Any:
    """Give the script as a module."""
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an environment that holds pip and the locked uv, so that no index is asked for them."""
    folder = tmp_path_factory.mktemp("empty") / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    shutil.copy(Path(sys.executable).with_name("uv"), folder / "bin")
    return folder


@pytest.fixture
def environment(empty: Path, tmp_path: Path) -> Path:
    """Give a copy of the empty environment to one test."""
    return Path(shutil.copytree(empty, tmp_path / "environment", symlinks=True))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Give a folder with two releases of each package, of which one asks for an extra of another."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "1.1"):
        make_wheel(folder, "postbox", version)
        make_wheel(
            folder, "schema", version, "Provides-Extra: email", 'Requires-Dist: postbox; extra == "email"'
        )
        make_wheel(folder, "archive", version, "Requires-Dist: schema[email]~=1.0")
    return folder


@pytest.fixture
def lock(tmp_path: Path, wheels: Path) -> Path:
    """Give a complete lock of the older releases."""
    return write_lock(tmp_path / "lock.txt", sorted(wheels.glob("*-1.0-*.whl")))


LOCKED = {"archive": "1.0", "postbox": "1.0", "schema": "1.0"}


def install(environment: Path, lock: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [sys.executable, SCRIPT, environment, lock],
        env={**variables, "UV_CACHE_DIR": str(environment.with_name("cache"))},
        capture_output=True,
        text=True,
        check=False,
    )


def versions(environment: Path) -> dict[str, str]:
    """Return what is installed, without what installs."""
    found = [
        path.name.removesuffix(".dist-info") for path in environment.glob("lib/*/site-packages/*.dist-info")
    ]
    pairs = [name.split("-") for name in found]
    return {name: version for name, version in pairs if name not in {"pip", "setuptools", "uv"}}


def test_the_locked_releases_are_installed_beside_newer_ones(
    environment: Path, lock: Path, wheels: Path
) -> None:
    ended = install(environment, lock, {**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)})
    assert ended.returncode == 0, ended
    assert versions(environment) == LOCKED


@pytest.mark.parametrize(
    ("name", "value"),
    [("UV_EXCLUDE_NEWER", "2000-01-01"), ("UV_CONSTRAINT", "gone.txt"), ("UV_OVERRIDE", "gone.txt")],
)
def test_what_the_caller_tells_uv_does_not_overrule_the_lock(
    environment: Path, lock: Path, wheels: Path, name: str, value: str
) -> None:
    told = {**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), name: value}
    ended = install(environment, lock, told)
    assert ended.returncode == 0, ended
    assert versions(environment) == LOCKED


def test_a_resolver_does_not_get_that_far(environment: Path, lock: Path, wheels: Path) -> None:
    """The test above would prove nothing if any way of installing passed it."""
    python = environment / "bin" / "python"
    ended = subprocess.run(
        [str(python), "-m", "pip", "install", "--require-hashes", "--requirement", str(lock)],
        env={**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "In --require-hashes mode, all requirements must have their versions pinned" in ended.stderr


def test_what_the_lock_does_not_list_is_removed(environment: Path, lock: Path, wheels: Path) -> None:
    variables = {**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    stray = make_wheel(wheels, "stray", "1.0")
    longer = write_lock(lock.with_name("longer.txt"), [*sorted(wheels.glob("*-1.1-*.whl")), stray])
    assert install(environment, longer, variables).returncode == 0
    assert install(environment, lock, variables).returncode == 0
    assert versions(environment) == LOCKED


def test_another_file_under_a_locked_name_is_refused(environment: Path, lock: Path, wheels: Path) -> None:
    make_wheel(wheels, "postbox", "1.0", "Summary: not what was locked")
    ended = install(environment, lock, {**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)})
    assert ended.returncode != 0
    assert "postbox" in ended.stderr
    assert "could not be installed" in ended.stderr
    assert versions(environment) == {}


def test_an_environment_that_does_not_fit_together_is_refused(environment: Path, wheels: Path) -> None:
    lock = write_lock(wheels.with_name("lock.txt"), [wheels / "archive-1.0-py3-none-any.whl"])
    ended = install(environment, lock, {**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)})
    assert ended.returncode != 0
    assert "schema" in ended.stderr


@pytest.mark.parametrize("said_by", ["a variable", "a file"])
def test_an_index_that_only_pip_is_told_of_is_used(
    environment: Path, lock: Path, wheels: Path, tmp_path: Path, said_by: str
) -> None:
    with served_index(tmp_path / "index", sorted(wheels.glob("*.whl"))) as address:
        variables = {**ALONE, "PIP_INDEX_URL": address}
        if said_by == "a file":
            file = tmp_path / "pip.conf"
            file.write_text(f"[global]\nindex-url = {address}\n")
            variables = {**CLEAN, "PIP_CONFIG_FILE": str(file)}
        ended = install(environment, lock, variables)
    assert ended.returncode == 0, ended
    assert versions(environment) == LOCKED


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_certificate_that_only_pip_is_told_of_is_believed(
    environment: Path, lock: Path, wheels: Path, tmp_path: Path
) -> None:
    issued = issue(tmp_path / "tls", "localhost")
    with served_index(tmp_path / "index", sorted(wheels.glob("*.whl")), issued.server) as address:
        told = {**ALONE, "PIP_INDEX_URL": address}
        assert install(environment, lock, told).returncode != 0
        ended = install(environment, lock, {**told, "PIP_CERT": str(issued.authority)})
    assert ended.returncode == 0, ended
    assert versions(environment) == LOCKED


def test_a_variable_counts_more_than_a_file(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://one\ntimeout = 7\n[install]\nindex-url = https://two\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    python = Path(sys.executable)
    assert script.pip_configuration(python)["index-url"] == "https://two"
    monkeypatch.setenv("PIP_INDEX_URL", "https://three")
    told = script.pip_configuration(python)
    assert (told["index-url"], told["timeout"]) == ("https://three", "7")


def test_several_values_are_passed_on_as_uv_reads_them(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "wheels").mkdir()
    pip = {
        "extra-index-url": "https://one\nhttps://two",
        # pip passes over a folder that is not there.
        "find-links": f"~/wheels {tmp_path}/gone https://three/wheels",
        "trusted-host": "one two",
        "timeout": "12.5",
        "proxy": "",
        "no-index": "true",
    }
    assert script.uv_variables(pip) == {
        "UV_INDEX": "https://one https://two",
        "UV_FIND_LINKS": f"{tmp_path}/wheels,https://three/wheels",
        "UV_INSECURE_HOST": "one two",
        "UV_HTTP_TIMEOUT": "13",
    }
    assert script.uv_options(pip) == ["--no-index"]
    assert script.uv_options({"no-index": "0"}) == []
    assert script.uv_variables({"find-links": str(tmp_path / "gone")}) == {}


@pytest.mark.parametrize("program", ["python", "uv"])
def test_half_a_program_is_none(script: Any, tmp_path: Path, program: str) -> None:
    half = tmp_path / program
    half.write_text("")
    half.chmod(0o755)
    assert not script._works(half)  # noqa: SLF001
    assert not script._is_locked(half)  # noqa: SLF001


def test_no_place_for_a_cache_stops_nothing(environment: Path, lock: Path, wheels: Path) -> None:
    environment.with_name("cache").write_text("in the way")
    ended = install(environment, lock, {**ALONE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)})
    assert ended.returncode == 0, ended
    assert versions(environment) == LOCKED
