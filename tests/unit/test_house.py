"""The rules of docs/house.md that a program can check: sizes, arrows between services, names of tests."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SERVICES = CHECKOUT / "services"
PREFIX = "spikemill.services"
LONGEST = 450


def modules() -> dict[str, Path]:
    """Return the file of each module of the services, by the name that it is imported by."""
    found = {}
    for path in SERVICES.rglob("*.py"):
        parts = path.relative_to(SERVICES).with_suffix("").parts
        found[".".join((PREFIX, *parts)).removesuffix(".__init__")] = path
    return found


def imported_by(path: Path) -> Iterator[str]:
    """Yield what a module imports when it is loaded."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def all_imports(path: Path) -> set[str]:
    """Return the modules that a file names in any import, also in those that a function makes."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return named | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


def service_of(module: str) -> str:
    """Return the service that a module is part of."""
    return module.removeprefix(f"{PREFIX}.").partition(".")[0]


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lines = {name: path.read_text().count("\n") for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_imports_make_no_circle() -> None:
    known = modules()
    graph = {name: {*imported_by(path)} & known.keys() - {name} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


def test_common_imports_no_service_and_only_the_command_imports_others() -> None:
    wrong = {
        f"{name} -> {imported}"
        for name, path in modules().items()
        for imported in all_imports(path)
        if imported.startswith(f"{PREFIX}.") and service_of(name) not in {service_of(imported), "cli"}
        if service_of(imported) != "common"
    }
    assert wrong == set()


def test_no_service_imports_what_stands_beside_the_product() -> None:
    beside = {"standins", "deploy", "tests", "benchmarks"}
    for name, path in modules().items():
        assert {imported.partition(".")[0] for imported in all_imports(path)} & beside == set(), name


def test_each_unit_test_is_named_after_a_module() -> None:
    """`tests/unit/common/test_files_resources.py` is a test of `services/common/files.py`."""
    beside = {"bootstrap": CHECKOUT / "deploy/bootstrap"} | {
        name: CHECKOUT / name for name in ("requirements", "standins")
    }
    for test in (CHECKOUT / "tests/unit").glob("*/**/test_*.py"):
        first, *further, name = test.relative_to(CHECKOUT / "tests/unit").parts
        code = beside.get(first, SERVICES / first).joinpath(*further)
        modules = {path.stem.strip("_") for path in code.glob("*.py")}
        topic = name.removeprefix("test_").removesuffix(".py")
        assert any(topic == module or topic.startswith(f"{module}_") for module in modules), test
