"""Which variables of the environment an installed package reads, from its source."""

import ast
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

_READERS = frozenset({"get", "getenv", "pop", "setdefault"})
_ENVIRONMENTS = frozenset({"environ", "_environ", "environment"})


def variables_read_by(package: str, *, apart_from: tuple[str, ...] = ()) -> set[str]:
    """Return the names that stand where an environment is read, but for modules below the given folders.

    Names that are put together, or stand in a variable, are not seen.
    """
    # Kombu, once loaded, cannot be asked where it stands.
    spec = PathFinder.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    modules = (
        path
        for path in folder.rglob("*.py")
        if not path.relative_to(folder).as_posix().startswith(apart_from)
    )
    return {name for path in modules for name in _read_in(ast.parse(path.read_text()))}


def _read_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=place, attr=reader), args=[first, *_]) if (
                reader in _READERS and (reader == "getenv" or _is_environment(place))
            ):
                yield from _texts(first)
            case ast.Call(func=ast.Name(id="getenv"), args=[first, *_]):
                yield from _texts(first)
            case ast.Subscript(value=place, slice=key) if _is_environment(place):
                yield from _texts(key)
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[place]) if _is_environment(
                place
            ):
                yield from _texts(left)
            case ast.keyword(arg="envvar", value=value):
                yield from _texts(value)


def _is_environment(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _ENVIRONMENTS
    return False


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
