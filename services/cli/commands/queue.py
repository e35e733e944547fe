"""`spikemill queue`: sources into the ledger of a deployment that runs."""

import typer

from services.cli import arguments
from services.cli.asking import BuildOptions, build_request, merge_parameters, named_catalogue
from services.cli.building import ask, use_ledger
from services.cli.local.address import running_address
from services.cli.local.home import Home
from services.cli.pushing.target import wanted_target
from services.cli.store_of_home import store_of
from services.cli.wording import count
from services.common.database import transaction
from services.common.errors import CallError
from services.common.ledger import build_status, files
from services.common.ledger.planning import OpenedBuild
from services.common.models.builds import BuildState, ReleaseState
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
    push: arguments.Push = None,
    public: arguments.Public = None,
    revision: arguments.Revision = None,
) -> None:
    """Add sources to the build of a running deployment.

    They join those that its open build of this pile has already. The ledger is that of
    SPIKEMILL_DATABASE_URL, else that of the `spikemill build` that runs in DIR. The last call decides whether
    the pile is pushed to the Hugging Face hub, and where.
    """
    parameters = merge_parameters(
        seed=seed, split_by=split_by, test_fraction=test_fraction, shard_bytes=shard_bytes
    )
    target = wanted_target(push, public=public, revision=revision)
    options = BuildOptions(parameters, limit, allow_missing, adds_to_open_build=True, push=target)
    request = build_request(named_catalogue(catalog, sources), options)
    folder = Home(home)
    store = store_of(folder)
    _use_running_ledger(folder)
    if store is not None:
        with transaction() as ledger:
            store.claim_for(files.ledger_id(ledger))
    opened = ask(store, request)
    typer.echo(f"Build {opened.build} of {request.pile}: {_state(opened, len(request.sources))}.")


def _state(opened: OpenedBuild, sources: int) -> str:
    with transaction() as ledger:
        status = build_status.status_of(ledger, opened.build)
    if status.state != BuildState.OPEN:
        return "nothing to do, the pile stands"
    if status.release_state == ReleaseState.PUBLISHED:
        return f"the pile stands; its push to {status.hub} is queued"
    return f"{count(sources, 'source')} queued"


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
