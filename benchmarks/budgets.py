"""What the project costs those who read it, use it and test it; `make lint` prints it.

Run: `python -m benchmarks.budgets`.
"""

import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml
from typer.main import get_command

from benchmarks.tables import print_table
from spikemill.services.cli.main import app

CHECKOUT = Path(__file__).parents[1]
SHIPPED = ("services", "spikemill")
# Not part of the product: what stands in for archive and hub, and what draws passwords before anything runs.
BESIDE_THE_PRODUCT = ("standins", "deploy")
TEST_SECONDS = CHECKOUT / "var" / "test-seconds"


def main() -> None:
    """Print one table."""
    shipped = list(_sources(SHIPPED))
    beside = set(_sources(BESIDE_THE_PRODUCT))
    product = [path for path in shipped if path not in beside]
    rows = [
        ["shipped Python files, lines", *_size(shipped)],
        [f"without {', '.join(BESIDE_THE_PRODUCT)}", *_size(product)],
        ["pages of docs, lines", *_size(list((CHECKOUT / "docs").glob("*.md")))],
        ["services of docker-compose.yml, lines", *_compose()],
        ["commands, options in all", *_commands()],
        ["spikemill --help, cpu s", f"{_help_seconds():.2f}", "at most 0.40"],
        ["make test, s", _test_seconds(), "at most 600"],
    ]
    print_table("Budgets", ["what", "figure", "and"], rows)
    print_table("Options of each command", ["command", "options"], _options())


def _sources(folders: Iterable[str]) -> Iterator[Path]:
    return (path for folder in folders for path in sorted((CHECKOUT / folder).rglob("*.py")))


def _size(files: Sequence[Path]) -> list[str]:
    lines = sum(path.read_text().count("\n") for path in files)
    return [f"{len(files):,}", f"{lines:,}"]


def _compose() -> list[str]:
    text = (CHECKOUT / "docker-compose.yml").read_text()
    return [str(len(yaml.safe_load(text)["services"])), str(text.count("\n"))]


def _options() -> list[list[str]]:
    group = get_command(app)
    commands = sorted(group.commands.items())  # type: ignore[attr-defined]  # a group, for it has commands
    return [
        [name, str(sum(parameter.param_type_name == "option" for parameter in command.params))]
        for name, command in commands
    ]


def _commands() -> list[str]:
    options = _options()
    return [str(len(options)), str(sum(int(count) for _, count in options))]


def _help_seconds() -> float:
    """Return the processor time of `spikemill --help`, the least of three."""
    command = [str(Path(sys.executable).with_name("spikemill")), "--help"]
    return min(_cpu_seconds(command) for _ in range(3))


def _cpu_seconds(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _test_seconds() -> str:
    """Return how long the last `make test` took in this checkout."""
    return TEST_SECONDS.read_text().strip() if TEST_SECONDS.exists() else "not yet run"


if __name__ == "__main__":
    main()
