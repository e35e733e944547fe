"""The worked examples of CONTRIBUTING.md, run as they stand there."""

import re
import sys
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

_PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def example(beginning: str) -> str:
    """Return the one Python example that begins so, without what follows the beginning's place in it."""
    found = [
        code
        for code in re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)
        if code.lstrip().startswith(beginning)
    ]
    assert len(found) == 1, f"{len(found)} examples begin with {beginning}"
    return str(found[0])


def load_example_module(path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run the example of a module, as if it stood at its path; it is gone after the test."""
    name = f"spikemill.{path.removesuffix('.py').replace('/', '.')}"
    made: ModuleType = module_from_spec(spec_from_loader(name, loader=None))  # type: ignore[arg-type]
    exec(example(f"# {path}"), made.__dict__)  # noqa: S102 - the page of this checkout
    monkeypatch.setitem(sys.modules, name, made)
    return made


def registry_entry(name: str, names: dict[str, object]) -> object:
    """Evaluate the example of a registry's entry; `names` are those that stand around it."""
    line = example(f'"{name}": ').strip().removeprefix(f'"{name}": ').removesuffix(",")
    return eval(line, names)  # noqa: S307 - the page of this checkout
