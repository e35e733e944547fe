"""`spikemill queue`: sources into the ledger of a deployment that runs."""

import typer

from services.cli import arguments
from services.cli.local.home import Home


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
    from services.cli.asking import BuildOptions, build_request, merge_parameters, named_catalogue
    from services.cli.building import queue_build
    from services.cli.pushing.target import wanted_target

    parameters = merge_parameters(
        seed=seed, split_by=split_by, test_fraction=test_fraction, shard_bytes=shard_bytes
    )
    target = wanted_target(push, public=public, revision=revision)
    options = BuildOptions(parameters, limit, allow_missing, adds_to_open_build=True, push=target)
    request = build_request(named_catalogue(catalog, sources), options)
    typer.echo(queue_build(Home(home), request))
