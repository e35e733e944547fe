"""`spikemill build --from PILE`: builds a pile again from its provenance and compares the two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from spikemill.services.cli.build import (
    BuildOptions,
    build_request,
    interruption_told,
    run_build,
    running_build,
)
from spikemill.services.cli.format import output, print_error
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.main import FAILED
from spikemill.services.cli.watch import Ending, view_on, watch
from spikemill.services.common.catalog import Catalogue
from spikemill.services.common.catalog.load import mistakes_of
from spikemill.services.common.catalog.readers import whole_file_readers
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger import admin
from spikemill.services.common.ledger.build_queries import left_out_of
from spikemill.services.common.ledger.builds import BuildRequest
from spikemill.services.merger.plan import skip_reason_for
from spikemill.services.merger.provenance import (
    PROVENANCE,
    MissingRecord,
    PileRecord,
    Provenance,
    SessionRecord,
    parse_provenance,
)


def rebuild(
    home: Home, pile: Path, folders: Sequence[str], *, workers: int, push: HubTarget | None = None
) -> None:
    """Build a pile again, push it where that is wanted, and say whether it came out the same.

    Raises `typer.Exit` where it did not, or could not be built.
    """
    recipe = read_recipe(pile, folders, push)
    if recipe.provenance.missing:
        with interruption_told():
            _skip_missing(home, recipe)
    run_build(home, recipe.request, workers=workers)
    _compare(recipe.provenance, read_pile_provenance(home.pile))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a pile says of itself, and what is asked of the ledger to make it again."""

    provenance: Provenance
    request: BuildRequest


def _skip_missing(home: Home, recipe: Recipe) -> None:
    """List the sources while nothing is binned, and pass by the sessions that the pile goes without."""
    with running_build(home, recipe.request, binners=0) as running:
        with view_on(output()) as view:
            ending, _ = watch(running.build, view, check=running.check, enough=lambda seen: seen.is_listed)
        if ending is Ending.ENOUGH:
            _skip(running.build, recipe.provenance.missing)


def _skip(build: int, missing: Sequence[MissingRecord]) -> None:
    with transaction() as ledger:
        skipped = {(left.source, left.file): left.skipped_because for left in left_out_of(ledger, build)}
        for record in missing:
            reason = skip_reason_for(record.reason)
            if skipped.get((record.source, record.path)) != reason:
                admin.skip_listed(ledger, build, record.source, record.path, reason)


def _compare(recorded: Provenance, found: Provenance) -> None:
    lines = list(differences(recorded, found))
    for line in lines:
        print_error(line)
    if lines:
        raise typer.Exit(FAILED)
    output().print("It is the same pile, byte for byte.")


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

    Raises `CallError` where a folder is missing, or has another name than it had, or the pile may not be
    pushed as is wanted.
    """
    provenance = read_pile_provenance(pile)
    catalogue = _catalogue(provenance.pile, _parse_folders(folders), pile)
    options = BuildOptions(session_limit=provenance.pile.session_limit, push=push)
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
    pile_table = {"name": record.name, "notes": record.notes} | record.parameters.model_dump()
    data = {"pile": pile_table, "source": entries}
    try:
        return Catalogue.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(f"{pile / PROVENANCE}: {line}" for line in mistakes_of(error, data))
        raise CallError(lines) from error


def _without_needless_bytes(entry: dict[str, Any]) -> dict[str, Any]:
    """Fetch no more than must be: how bytes travel leaves no trace in a pile, so it does not say."""
    return entry if entry.get("reader") in whole_file_readers() else entry | {"fetch": "stream-or-copy"}


def _entry(entry: dict[str, Any], folders: Mapping[str, Path]) -> dict[str, Any]:
    if entry["archive"] != "files":
        return _without_needless_bytes(entry)
    name, recorded = entry["name"], entry["identifier"]
    folder = folders.get(name)
    if folder is None:
        raise CallError(
            f"Source {name} was made from a folder called {recorded!r} on the builder's machine; "
            f"say where it is here: --folder {name}=PATH."
        )
    if folder.name != recorded:
        raise CallError(
            f"--folder {name}={folder}: the folder must be called {recorded!r} as it was, for its name is "
            "part of the pile; a link of that name will do."
        )
    return entry | {"identifier": str(folder)}


def differences(recorded: Provenance, found: Provenance) -> Iterator[str]:
    """Yield a line for each difference, the causes before what follows from them."""
    if recorded.pile.format_id != found.pile.format_id:
        yield (
            f"the pile was written as {recorded.pile.format_id}, this spikemill writes "
            f"{found.pile.format_id}: equal counts, other bytes"
        )
    yield from _sessions(recorded, found)
    yield from _shards(recorded, found)
    if recorded.to_bytes() != found.to_bytes():
        yield f"{PROVENANCE} is not the same"


def _sessions(recorded: Provenance, found: Provenance) -> Iterator[str]:
    before = {record.key: record for record in recorded.sessions}
    after = {record.key: record for record in found.sessions}
    for key in sorted(before.keys() | after.keys()):
        name = "/".join(key)
        if key not in after:
            yield f"{name}: is not in the new pile"
        elif key not in before:
            yield f"{name}: was not in the pile"
        else:
            yield from (f"{name}: {text}" for text in _session(before[key], after[key]))


def _session(recorded: SessionRecord, found: SessionRecord) -> Iterator[str]:
    before = {asset.path: asset for asset in recorded.assets}
    after = {asset.path: asset for asset in found.assets}
    changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    for path in changed:
        yield f"{path} is no longer what the archive held when the pile was made"
    if not changed and recorded.chunk_sha256 != found.chunk_sha256:
        yield "the same files came out with other bytes"


def _shards(recorded: Provenance, found: Provenance) -> Iterator[str]:
    before = {shard.name: shard.sha256 for shard in recorded.pile.shards}
    after = {shard.name: shard.sha256 for shard in found.pile.shards}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name}: its sha256 is {after.get(name, 'none')}, recorded is {before.get(name, 'none')}"
