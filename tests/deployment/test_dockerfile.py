"""The Dockerfile as it is written: its linter, its targets, what it starts from."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.projects import CHECKOUT

FILE = CHECKOUT / "Dockerfile"
PLAIN_USER = "USER 1000:1000"


@pytest.fixture(scope="module")
def stages() -> Mapping[str, str]:
    """Give the text of each stage, by its name."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", FILE.read_text(), flags=re.MULTILINE)[1:]
    return {name: f"FROM {base}{text}" for base, name, text in zip(*[iter(parts)] * 3, strict=True)}


@pytest.fixture(scope="module")
def targets() -> set[str]:
    """Give the targets that docker-compose.yml builds."""
    services: Mapping[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    return {service["build"]["target"] for service in services.values() if "build" in service}


def test_the_linter_has_nothing_to_say() -> None:
    subprocess.run([Path(sys.executable).with_name("hadolint"), FILE], check=True)


def test_each_service_has_a_target_with_a_title_and_a_command(
    stages: Mapping[str, str], targets: set[str]
) -> None:
    assert targets < stages.keys()
    for target in targets:
        assert f'image.title="spikemill {target}"' in stages[target]
        assert "\nCMD [" in stages[target]


def test_each_runs_as_a_plain_user_but_the_one_that_shares_out_passwords(
    stages: Mapping[str, str], targets: set[str]
) -> None:
    assert {target for target in targets if PLAIN_USER not in stages[target]} == {"secrets"}


def test_each_installs_its_own_locked_requirements(stages: Mapping[str, str], targets: set[str]) -> None:
    for target in targets - {"secrets"}:
        assert f"source=requirements/{target}.txt" in stages[target]
        assert "--hash=sha256:" in (CHECKOUT / "requirements" / f"{target}.txt").read_text()


def test_the_code_comes_after_the_packages(stages: Mapping[str, str], targets: set[str]) -> None:
    for target in targets - {"secrets"}:
        assert stages[target].index("pip install") < stages[target].index("COPY --from=code"), target


def test_what_it_starts_from_is_named_by_its_minor_version(stages: Mapping[str, str]) -> None:
    bases = {text.split()[1] for text in stages.values()} - stages.keys()
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+(\.\d+|-slim-[a-z]+)$", base) for base in bases)


def test_nothing_is_resolved_when_an_image_is_built(stages: Mapping[str, str]) -> None:
    installs = re.findall(r"uv pip install(.*)", FILE.read_text())
    assert installs
    assert all("--no-deps" in options for options in installs)
    assert "--build-constraints" not in stages["code"]


def test_images_are_made_by_the_uv_that_makes_the_development_environment(stages: Mapping[str, str]) -> None:
    locked = re.search(r"^uv==(\S+)", (CHECKOUT / "requirements" / "uv.txt").read_text(), re.MULTILINE)
    assert locked
    assert stages["uv"].startswith(f"FROM ghcr.io/astral-sh/uv:{locked[1]}\n")
