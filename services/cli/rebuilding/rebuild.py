"""`spikemill build --from PILE`: the sessions that were missing are missing again, then all is compared."""

from collections.abc import Sequence
from pathlib import Path

import typer

from services.cli.building import running_build
from services.cli.carrying_out import carry_out, interruption_told
from services.cli.failing import FAILED
from services.cli.local.home import Home
from services.cli.printing import complain, output
from services.cli.rebuilding.differences import differences
from services.cli.rebuilding.recipe import Recipe, read_pile_provenance, read_recipe
from services.cli.watching.views import view_on
from services.cli.watching.watch import Ending, watch
from services.common.database import transaction
from services.common.hub_target import HubTarget
from services.common.ledger import contents, waiving
from services.merger.freezing import waiver_for
from services.merger.provenance import MissingRecord, Provenance


def rebuild(
    home: Home, pile: Path, folders: Sequence[str], *, workers: int, push: HubTarget | None = None
) -> None:
    """Build a pile again, push it where that is wanted, and say whether it came out the same.

    Raises `typer.Exit` where it did not, or could not be built.
    """
    recipe = read_recipe(pile, folders, push)
    if recipe.provenance.missing:
        with interruption_told():
            _waive_missing(home, recipe)
    carry_out(home, recipe.request, workers=workers)
    _compare(recipe.provenance, read_pile_provenance(home.pile))


def _waive_missing(home: Home, recipe: Recipe) -> None:
    """List the sources while nothing is binned, and pass by the sessions that the pile goes without."""
    with running_build(home, recipe.request, binners=0) as running:
        with view_on(output()) as view:
            ending, _ = watch(running.build, view, check=running.check, enough=lambda seen: seen.is_listed)
        if ending is Ending.ENOUGH:
            _waive(running.build, recipe.provenance.missing)


def _waive(build: int, missing: Sequence[MissingRecord]) -> None:
    with transaction() as ledger:
        standing = {(left.source, left.key): left.waived for left in contents.missing_from(ledger, build)}
        for record in missing:
            reason = waiver_for(record.reason)
            if standing.get((record.source, record.path)) != reason:
                waiving.waive_listed(ledger, build, record.source, record.path, reason)


def _compare(recorded: Provenance, found: Provenance) -> None:
    lines = list(differences(recorded, found))
    for line in lines:
        complain(line)
    if lines:
        raise typer.Exit(FAILED)
    output().print("It is the same pile, byte for byte.")
