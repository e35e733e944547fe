"""The command line itself: what is refused before anything starts."""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from spikemill.services.cli.main import main
from spikemill.services.common.settings import settings

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Give a function that runs the command in an empty folder, and returns its exit status."""
    for name in [name for name in os.environ if name.startswith("SPIKEMILL_")]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["spikemill", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def test_the_version_is_that_of_the_distribution(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"spikemill {version('spikemill')}\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["build"], "Name a catalogue"),
        (["build", "--catalog", "nothing-like-it"], "no catalogue of this name comes with spikemill"),
        (["build", "nobody", "--catalog", "demo"], "No source of the catalogue is called nobody"),
        (["build", "--catalog", "demo", "--folder", "a=b"], "--folder is for --from"),
        (["build", "--from", "."], "name the folder of a pile"),
        (["build", "nobody", "--from", ".", "--limit", "2"], "leave out limit, SOURCE"),
        (["build", "--from", ".", "--allow-missing"], "leave out allow-missing"),
        (["build", "--catalog", "demo", "--push", "pile"], "'pile' is not a repository of the hub"),
        (["build", "--catalog", "demo", "--revision", "next"], "name a dataset with --push"),
        (["queue", "--catalog", "demo", "--public"], "name a dataset with --push"),
        (["push", "nowhere", "lab/pile"], "holds no pile"),
        (["push", ".", "lab/pile", "--revision", "a b"], "'a b' is not a branch"),
        (["plan"], "Name a catalogue"),
        (["queue", "--catalog", "demo"], "Nothing runs in"),
        (["status"], "there is no ledger in"),
        (["status", "--watch", "--json"], "give one of them"),
        (["tokens"], "there is no ledger in"),
        (["retry"], "there is no ledger in"),
        (["skip", "a/b/c", "--reason", "noise"], "there is no ledger in"),
        (["cancel"], "there is no ledger in"),
        (["prune"], "there is no ledger in"),
        (["verify", "nowhere"], "nowhere is no folder"),
        (["plot", ".", "--out", "a.png"], "holds no shards"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert problem in said.err
    assert said.err.count("\n") == 1
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "arguments", [["weave"], ["build", "--workers", "0"], ["build", "--limit", "0"], ["skip", "a/b/c"]]
)
def test_what_typer_refuses_is_status_2(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(*arguments) == 2
    assert "Error: " in capsys.readouterr().err


def test_every_mistake_of_a_catalogue_is_a_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pile.toml").write_text('[pile]\nname = "A"\n[[source]]\nname = "a"\narchive = "tape"\n')
    assert run("build", "--catalog", "pile.toml") == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("pile.toml: ") for line in lines] == [True, True]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("test_fraction = 1", "test_fraction"),
        ('split_by = "cell"', "split_by"),
        ("shard_bytes = 0", "shard_bytes"),
    ],
)
def test_a_wrong_key_of_the_pile_is_named(
    run: Run, capsys: pytest.CaptureFixture[str], key: str, problem: str
) -> None:
    Path("pile.toml").write_text(
        f'[pile]\nname = "a"\n{key}\n[[source]]\nname = "a"\narchive = "files"\nidentifier = "."\n'
    )
    assert run("build", "--catalog", "pile.toml") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("pile.toml: pile")
    assert problem in line


def test_a_traceback_is_shown_where_it_is_asked_for(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_each_command_explains_itself_in_80_columns(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run("--help") == 0
    commands = re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out, flags=re.MULTILINE)
    assert len(commands) == 13
    for command in commands:
        assert run(command, "--help") == 0
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= 80
        assert "..." not in said.splitlines()[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot run Postgres itself")
def test_a_home_below_a_closed_folder_is_one_clear_sentence(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with tempfile.TemporaryDirectory() as closed:
        (Path(closed) / "recordings").mkdir()
        catalogue = Path(closed, "lab.toml")
        catalogue.write_text(
            '[pile]\nname = "lab"\n[[source]]\nname = "a"\narchive = "files"\nidentifier = "recordings"\n'
        )
        assert run("build", "--catalog", str(catalogue), "--home", f"{closed}/home") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "SPIKEMILL_DATABASE_URL" in said
