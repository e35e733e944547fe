"""The files that say what this project is: they agree with each other, and with what is done."""

import re
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from trove_classifiers import classifiers as known_classifiers

CHECKOUT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
AUTHORS = "The spikemill developers"
WORKFLOW = CHECKOUT / ".github" / "workflows" / "ci.yml"
_PYTHON = "Programming Language :: Python :: 3."


def text(name: str) -> str:
    return (CHECKOUT / name).read_text()


def pythons() -> list[int]:
    """Return the minor versions of Python 3 that the classifiers name."""
    return sorted(
        int(each.removeprefix(_PYTHON)) for each in PROJECT["classifiers"] if each.startswith(_PYTHON)
    )


def check_schema(schema: str, file: Path) -> None:
    command = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([command, "--builtin-schema", schema, file], check=True)


def test_licence_is_the_one_of_mit() -> None:
    title, holder, *paragraphs = text("LICENSE").strip().split("\n\n")
    assert title == "MIT License"
    assert re.fullmatch(rf"Copyright \(c\) \d{{4}} {AUTHORS}", holder)
    assert [paragraph.split()[:4] for paragraph in paragraphs] == [
        ["Permission", "is", "hereby", "granted,"],
        ["The", "above", "copyright", "notice"],
        ["THE", "SOFTWARE", "IS", "PROVIDED"],
    ]


def test_package_says_whose_it_is_and_how_it_may_be_used() -> None:
    assert PROJECT["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert PROJECT["authors"] == [{"name": AUTHORS}]
    # There is no page that they could name.
    assert "urls" not in PROJECT


def test_classifiers_are_known_and_agree_with_the_rest() -> None:
    assert set(PROJECT["classifiers"]) <= known_classifiers
    # The expression says it; an index refuses both together.
    assert not [each for each in PROJECT["classifiers"] if each.startswith("License ::")]
    assert PROJECT["requires-python"] == f">=3.{pythons()[0]}"
    assert f"\nFROM python:3.{pythons()[-1]}-" in text("Dockerfile")


def test_citation_agrees_with_the_package() -> None:
    check_schema("vendor.citation-file-format", CHECKOUT / "CITATION.cff")
    citation = yaml.safe_load(text("CITATION.cff"))
    for key in ("version", "license"):
        assert citation[key] == PROJECT[key]
    assert citation["title"] == PROJECT["name"]
    assert citation["abstract"] == PROJECT["description"]
    assert citation["authors"] == PROJECT["authors"]


def test_changelog_ends_with_this_version() -> None:
    headings = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings[1:])
    version = PROJECT["version"]
    released = len(headings) > 1 and headings[1].startswith(f"[{version}]")
    assert released or f"\nBecomes {version}" in text("CHANGELOG.md").partition("\n## [Unreleased]\n")[2]
    kinds = set(re.findall(r"^### (.+)$", text("CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_hooks_before_a_commit_are_the_checks_of_make_lint() -> None:
    lint = re.search(r"^style:.*\n((?:\t.+\n)+)", text("Makefile"), re.MULTILINE)
    assert lint
    commands = [line.strip().lstrip("@-").replace("$(BIN)", ".venv/bin") for line in lint[1].splitlines()]
    [repository] = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == commands
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["always_run"] is True
        assert hook["pass_filenames"] is False


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_workflow_is_of_the_form_that_github_knows(schema: str) -> None:
    check_schema(schema, WORKFLOW)


def test_workflow_runs_what_ci_runs_on_the_oldest_and_the_newest_python() -> None:
    workflow: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    assert (CHECKOUT / ".ci" / "run").is_file()
    assert job["strategy"]["matrix"]["python"] == [f"3.{pythons()[0]}", f"3.{pythons()[-1]}"]


def test_editors_are_told_what_ruff_asks_for() -> None:
    settings = ConfigParser()
    settings.read_string("[top]\n" + text(".editorconfig"))
    assert settings["top"]["root"] == "true"
    assert settings["*.py"]["max_line_length"] == str(PYPROJECT["tool"]["ruff"]["line-length"])
    assert settings["*"]["indent_style"] == "space"
    for name in ("Makefile", ".ci/run"):
        [section] = [each for each in settings.sections() if name in each.strip("{}").split(",")]
        assert settings[section]["indent_style"] == "tab"


def test_wheel_holds_one_package_with_types_and_licence(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        said = archive.read(f"spikemill-{PROJECT['version']}.dist-info/METADATA").decode()
    about = f"spikemill-{PROJECT['version']}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"spikemill", about}
    assert {"spikemill/py.typed", "spikemill/services/cli/main.py", f"{about}/licenses/LICENSE"} <= names
    assert f"\nAuthor: {AUTHORS}\n" in said
    assert "\nLicense-Expression: MIT\n" in said


def test_images_are_given_all_that_the_wheel_is_made_of() -> None:
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], *wheel["packages"]}
    let_in = {line.removeprefix("!") for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert needed | wheel["force-include"].keys() <= let_in
