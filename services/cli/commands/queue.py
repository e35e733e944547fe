"""`spikemill queue`: sources into the ledger of a deployment that runs."""

import typer

from services.cli import arguments
from services.cli.asking import BuildOptions, build_request, merge_parameters, named_catalogue
from services.cli.building import use_ledger
from services.cli.healing import heal
from services.cli.local.address import running_address
from services.cli.local.home import Home
from services.cli.store_of_home import store_of
from services.cli.wording import count
from services.common.database import transaction
from services.common.errors import CallError
from services.common.ledger import build_status, files, planning
from services.common.ledger.planning import OpenedBuild
from services.common.models.builds import BuildState
from services.common.settings import settings


def queue(
    sources: arguments.Sources = None,
    *,
    catalog: arguments.Catalog = None,
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    limit: arguments.Limit = None,
    seed: arguments.Seed = None,
    split_by: arguments.Split = None,
    test_fraction: arguments.TestFraction = None,
    shard_bytes: arguments.ShardBytes = None,
    allow_missing: arguments.AllowMissing = False,
) -> None:
    """Add sources to the build of a running deployment.

    They join those that its open build of this pile has already. The ledger is that of
    SPIKEMILL_DATABASE_URL, else that of the `spikemill build` that runs in DIR.
    """
    parameters = merge_parameters(
        seed=seed, split_by=split_by, test_fraction=test_fraction, shard_bytes=shard_bytes
    )
    options = BuildOptions(parameters, limit, allow_missing, adds_to_open_build=True)
    request = build_request(named_catalogue(catalog, sources), options)
    folder = Home(home)
    store = store_of(folder)
    _use_running_ledger(folder)
    with transaction() as ledger:
        if store is not None:
            store.claim_for(files.ledger_id(ledger))
        opened = planning.open_build(ledger, request)
    if store is not None:
        heal(store, opened)
    typer.echo(f"Build {opened.build} of {request.pile}: {_state(opened, len(request.sources))}.")


def _state(opened: OpenedBuild, sources: int) -> str:
    with transaction() as ledger:
        is_open = build_status.status_of(ledger, opened.build).state == BuildState.OPEN
    return f"{count(sources, 'source')} queued" if is_open else "nothing to do, the pile stands"


def _use_running_ledger(home: Home) -> None:
    """Use the ledger that workers listen to; raises `CallError` where none do."""
    if settings().database_url is not None:
        return
    running = running_address(home)
    if running is None:
        raise CallError(
            f"Nothing runs in {home.path}: set SPIKEMILL_DATABASE_URL to a deployment's ledger, give the "
            "--home of a running build, or use spikemill build."
        )
    use_ledger(running.database_url)
