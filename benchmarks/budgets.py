"""What the project costs those who read it, use it and test it; `make lint` prints it.

Run: `python -m benchmarks.budgets`.
"""

import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from typer.main import get_command

from benchmarks.tables import print_table
from spikemill.services.cli.main import app

CHECKOUT = Path(__file__).parents[1]
# Not part of the product: what stands in for archive and hub, and what draws passwords before anything runs.
BESIDE_THE_PRODUCT = ("standins", "deploy")
COMPOSE = CHECKOUT / "docker-compose.yml"
TEST_SECONDS = CHECKOUT / "var" / "test-seconds"


def main() -> None:
    """Print one table; exit with 1 where what is counted passes its bound. Times are only shown."""
    shipped, beside = _sources("services"), [path for name in BESIDE_THE_PRODUCT for path in _sources(name)]
    options = _options()
    counted = [
        ("shipped Python files", len(shipped), 130),
        ("their lines", _lines(shipped), 19_200),
        ("lines of the longest", max(_lines([path]) for path in shipped), 450),
        ("pages of docs", len(list((CHECKOUT / "docs").rglob("*.md"))), 12),
        ("services of docker-compose.yml", _compose_services(), 15),
        ("lines of docker-compose.yml", _lines([COMPOSE]), 300),
        ("options of build", int(dict(options)["build"]), 10),
    ]
    rows = [[f"{what}, at most {bound:,}", f"{figure:,}"] for what, figure, bound in counted]
    rows += [
        [f"files, lines of {' and '.join(BESIDE_THE_PRODUCT)}", f"{len(beside)}, {_lines(beside):,}"],
        ["commands, options in all", _commands()],
        ["spikemill --help, cpu s, at most 0.40", f"{_help_seconds():.2f}"],
        ["make test, s, at most 600", _test_seconds()],
    ]
    print_table("Budgets", ["what", "figure"], rows)
    print_table("Options of each command", ["command", "options"], options)
    if passed := [what for what, figure, bound in counted if figure > bound]:
        sys.exit(f"Over budget: {', '.join(passed)}. Make it smaller, or say in the change why not.")


def _sources(folder: str) -> list[Path]:
    return sorted((CHECKOUT / folder).rglob("*.py"))


def _lines(files: Iterable[Path]) -> int:
    return sum(path.read_text().count("\n") for path in files)


def _compose_services() -> int:
    return len(yaml.safe_load(COMPOSE.read_text())["services"])


def _options() -> list[list[str]]:
    group = get_command(app)
    commands = sorted(group.commands.items())  # type: ignore[attr-defined]  # a group, for it has commands
    return [
        [name, str(sum(parameter.param_type_name == "option" for parameter in command.params))]
        for name, command in commands
    ]


def _commands() -> str:
    options = _options()
    return f"{len(options)}, {sum(int(count) for _, count in options)}"


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
