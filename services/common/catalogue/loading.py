"""From a TOML file to a catalogue, or to one error that lists every mistake in it."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.common.catalogue.mistakes import mistakes_of, repeated_names
from services.common.catalogue.models import Catalogue
from services.common.errors import CatalogueError
from services.common.resources import resource_folder


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
