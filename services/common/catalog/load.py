"""Reads a catalogue from a TOML file; its mistakes become one error with a line for each."""

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spikemill.services.common.catalog.schema import ARCHIVES, Catalogue, SourceTable
from spikemill.services.common.catalog.tables import Expectation, Pile
from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.files import resource_folder

_SHOWN = 60
_NOT_A_TABLE = "{given} was given, it must be a table of keys"
_PROBLEMS = {
    "missing": "missing",
    "value_error": "{error}",
    "literal_error": "{given} is not known; known: {expected}",
    "too_short": "at least one is needed",
    "tuple_type": "{given} was given, it must be a list in [ ]",
    "string_type": "{given} was given, it must be a text in quotes",
    "bool_type": "{given} was given, it must be true or false",
    "string_too_short": "this must not be empty",
    "string_pattern_mismatch": "{given} is not valid",
    "dict_type": _NOT_A_TABLE,
    "model_type": _NOT_A_TABLE,
    "model_attributes_type": _NOT_A_TABLE,
}


def load_catalogue(path_or_name: str | Path) -> Catalogue:
    """Read a catalogue: a path, or the name of one that comes with spikemill.

    Raises `CatalogueError` with one line per mistake; each names the file, the source and the key.
    """
    path = _find(path_or_name)
    data = _read(path)
    repeated = repeated_names(data)
    try:
        catalogue = Catalogue.model_validate(data, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise _refusal(path, [*mistakes_of(error, data), *repeated]) from error
    if repeated:
        raise _refusal(path, repeated)
    return catalogue


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if len(path.parts) != 1 or path.is_file():
        return path
    packaged = resource_folder("catalog")
    candidate = packaged / f"{path.name.removesuffix('.toml')}.toml"
    if candidate.is_file():
        return candidate
    names = ", ".join(sorted(file.stem for file in packaged.glob("*.toml")))
    raise CatalogueError(
        f"{path_or_name}: there is no such file here, and no catalogue of this name comes with spikemill "
        f"(those that do: {names or 'none'})."
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path}: this is not TOML: {error}.") from error
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{path}: this is not a text in UTF-8; save it as UTF-8.") from error
    except OSError as error:
        raise CatalogueError(f"{path}: the catalogue cannot be read: {error.strerror}.") from error


def _refusal(path: Path, lines: list[str]) -> CatalogueError:
    return CatalogueError("\n".join(f"{path}: {line}" for line in lines))


def mistakes_of(error: ValidationError, data: dict[str, Any]) -> list[str]:
    """Return a line for each mistake: where it is, what is wrong, what to write instead."""
    found = error.errors(include_url=False)
    return [_line(details, data) for details in found if not _follows_from_another(details, found)]


def repeated_names(data: dict[str, Any]) -> list[str]:
    """Return a line for each name that several sources have."""
    tables = data.get("source")
    entries = tables if isinstance(tables, list) else []
    names = Counter(
        entry["name"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    )
    return [
        f"source {_shown(name)}, name: {count} sources have it; give each its own"
        for name, count in names.items()
        if count > 1
    ]


def _follows_from_another(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Return whether a list is too short only because its items are wrong, which is reported already."""
    loc = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in found
    )


def _line(details: ErrorDetails, data: dict[str, Any]) -> str:
    table, owner, keys = _place(details["loc"], data)
    where = ", ".join(filter(None, (owner, _key_text(keys))))
    if details["type"].startswith("union_tag"):
        is_missing = details["type"] == "union_tag_not_found"
        problem = "missing" if is_missing else f"{_shown(details['input'].get('archive'))} is not known"
        return f"{where}, archive: {problem}; one of {', '.join(ARCHIVES)}"
    if details["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(table, str(keys[-1]))}"
    remedy = _remedy(table, keys)
    return f"{where}: {_problem(details)}" + (f" ({remedy})" if remedy else "")


def _place(
    loc: Sequence[str | int], data: dict[str, Any]
) -> tuple[type[BaseModel], str, Sequence[str | int]]:
    """Return the table with the mistake, the text that names it, and the keys below it."""
    match loc:
        case ("source", int(index)):
            return Catalogue, _source_text(data, index), ()
        case ("source", int(index), *keys):
            table = ARCHIVES[data["source"][index]["archive"]].table
            in_expect = len(keys) > 1 and keys[0] == "expect"
            return Expectation if in_expect else table, _source_text(data, index), keys
        case ("pile", *keys) if keys:
            return Pile, "pile", keys
        case _:
            return Catalogue, "", loc


def _source_text(data: dict[str, Any], index: int) -> str:
    entry = data["source"][index]
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"source {_shown(name)}" if isinstance(name, str) and name else f"source number {index + 1}"


def _key_text(keys: Sequence[str | int]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def _unknown_key(table: type[BaseModel], key: str) -> str:
    owners = [archive for archive, entry in ARCHIVES.items() if key in entry.table.model_fields]
    if issubclass(table, SourceTable) and owners:
        return f"only a source of {' or '.join(owners)} has this key; remove it"
    known = [field.alias or name for name, field in table.model_fields.items()]
    near = get_close_matches(key, known, n=1)
    if near:
        return f"this key is not known; did you mean {near[0]}?"
    return f"this key is not known; the known ones are {', '.join(known)}"


def _remedy(table: type[BaseModel], keys: Sequence[str | int]) -> str | None:
    """Return the description of the innermost key that has one."""
    names = {field.alias or name: field for name, field in table.model_fields.items()}
    described = [names[key].description for key in keys if isinstance(key, str) and key in names]
    return described[-1] if described else None


def _problem(details: ErrorDetails) -> str:
    given = _shown(details["input"])
    known = _PROBLEMS.get(details["type"])
    if known is None:
        return f"{given} was given, it must be {details['msg'].removeprefix('Input should be ')}"
    return known.format(given=given, **details.get("ctx", {}))


def _shown(value: Any) -> str:
    """Return a value as it was written, shortened where it is long."""
    is_bare = isinstance(value, date | time)
    text = str(value) if is_bare else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
