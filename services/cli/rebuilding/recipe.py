"""From a pile's provenance to the build that makes it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.cli.asking import BuildOptions, build_request
from services.common.catalogue import Catalogue
from services.common.catalogue.mistakes import mistakes_of
from services.common.catalogue.reader_options import WHOLE_FILE_READERS
from services.common.errors import CallError
from services.common.hub_target import HubTarget
from services.common.ledger.planning import BuildRequest
from services.merger.pile_layout import PROVENANCE
from services.merger.provenance import PileRecord, Provenance, parse_provenance


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a pile says of itself, and what is asked of the ledger to make it again."""

    provenance: Provenance
    request: BuildRequest


def read_pile_provenance(pile: Path) -> Provenance:
    """Read a pile's provenance.

    Raises `CallError` where there is none, `DamagedOutputError` for a bad one.
    """
    try:
        return parse_provenance((pile / PROVENANCE).read_bytes())
    except OSError as error:
        raise CallError(
            f"{pile / PROVENANCE} cannot be read ({error.strerror}); "
            "name the folder of a pile, which holds it."
        ) from error


def read_recipe(pile: Path, folders: Sequence[str], push: HubTarget | None = None) -> Recipe:
    """Read how a pile was made; `folders` (`NAME=PATH`) say where the sources of archive `files` lie.

    Raises `CallError` where a folder is missing, or bears another name than it did, or the pile may not be
    pushed as is wanted.
    """
    provenance = read_pile_provenance(pile)
    catalogue = _catalogue(provenance.pile, _parse_folders(folders), pile)
    options = BuildOptions(provenance.pile.parameters, session_limit=provenance.pile.session_limit, push=push)
    return Recipe(provenance, build_request(catalogue, options))


def _parse_folders(folders: Sequence[str]) -> dict[str, Path]:
    pairs = [folder.partition("=") for folder in folders]
    for name, separator, path in pairs:
        if not (name and separator and path):
            raise CallError(f"--folder {name}{separator}{path}: write the source's name, = and its folder.")
    return {name: Path(path).expanduser().absolute() for name, _, path in pairs}


def _catalogue(record: PileRecord, folders: Mapping[str, Path], pile: Path) -> Catalogue:
    """Make the catalogue again; provenance keeps of a folder on the builder's machine only its name."""
    local = {str(entry["name"]) for entry in record.sources if entry["archive"] == "files"}
    if unknown := sorted(folders.keys() - local):
        raise CallError(f"--folder {unknown[0]}: no source of archive files in {pile} is called so.")
    entries = [_entry(dict(entry), folders) for entry in record.sources]
    data = {"pile": {"name": record.name, "notes": record.notes}, "source": entries}
    try:
        return Catalogue.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(f"{pile / PROVENANCE}: {line}" for line in mistakes_of(error, data))
        raise CallError(lines) from error


def _without_needless_bytes(entry: dict[str, Any]) -> dict[str, Any]:
    """Fetch no more than must be: how bytes travel leaves no trace in a pile, so it does not say."""
    return entry if entry.get("reader") in WHOLE_FILE_READERS else entry | {"fetch": "stream-or-copy"}


def _entry(entry: dict[str, Any], folders: Mapping[str, Path]) -> dict[str, Any]:
    if entry["archive"] != "files":
        return _without_needless_bytes(entry)
    name, recorded = entry["name"], entry["identifier"]
    folder = folders.get(name)
    if folder is None:
        raise CallError(
            f"Source {name} was made from a folder called {recorded!r} on the builder's machine; "
            f"say where it lies here: --folder {name}=PATH."
        )
    if folder.name != recorded:
        raise CallError(
            f"--folder {name}={folder}: the folder must be called {recorded!r} as it was, for its name is "
            "part of the pile; a link of that name will do."
        )
    return entry | {"identifier": str(folder)}
