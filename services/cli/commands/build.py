"""`spikemill build`: from a catalogue, or from a pile's own provenance, to the pile."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli import arguments
from services.cli.local.home import Home
from services.common.errors import CallError

FromPile = Annotated[
    Path | None,
    typer.Option("--from", metavar="PILE", help="Build a pile again from its provenance, and compare."),
]
Folders = Annotated[
    list[str] | None,
    typer.Option("--folder", metavar="NAME=PATH", help="With --from: where the files of a source lie."),
]


def build(
    sources: arguments.Sources = None,
    *,
    catalog: arguments.Catalog = None,
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    workers: arguments.Workers = arguments.DEFAULT_WORKERS,
    limit: arguments.Limit = None,
    seed: arguments.Seed = None,
    split_by: arguments.Split = None,
    test_fraction: arguments.TestFraction = None,
    shard_bytes: arguments.ShardBytes = None,
    allow_missing: arguments.AllowMissing = False,
    give_up_after: arguments.GiveUpAfter = None,
    push: arguments.Push = None,
    public: arguments.Public = None,
    revision: arguments.Revision = None,
    from_pile: FromPile = None,
    folder: Folders = None,
) -> None:
    """Build the pile on this machine, from start to end.

    It may be interrupted and run again. It starts Postgres, a broker and workers of its own;
    SPIKEMILL_DATABASE_URL and SPIKEMILL_BROKER_URL name others. At the end the pile stands in DIR/pile,
    and with --push on the Hugging Face hub.
    """
    from services.cli.asking import BuildOptions, build_request, merge_parameters, named_catalogue
    from services.cli.carrying_out import carry_out
    from services.cli.durations import parse_duration
    from services.cli.environment import decide
    from services.cli.pushing.target import wanted_target

    if give_up_after is not None:
        decide(give_up_after=f"PT{parse_duration(give_up_after).total_seconds():.0f}S")
    target = wanted_target(push, public=public, revision=revision)
    given = {
        "seed": seed,
        "split_by": split_by,
        "test_fraction": test_fraction,
        "shard_bytes": shard_bytes,
    }
    if from_pile is not None:
        others = {"catalog": catalog, "limit": limit, "allow_missing": allow_missing or None}
        from services.cli.rebuilding.rebuild import rebuild

        _refuse_beside_from(given | others | {"SOURCE": sources or None})
        rebuild(Home(home), from_pile, folder or [], workers=workers, push=target)
        return
    if folder:
        raise CallError("--folder is for --from; a catalogue names the folders itself.")
    options = BuildOptions(
        merge_parameters(**given), session_limit=limit, allow_missing=allow_missing, push=target
    )
    carry_out(Home(home), build_request(named_catalogue(catalog, sources), options), workers=workers)


def _refuse_beside_from(given: dict[str, object]) -> None:
    """A pile says itself how it was built."""
    names = ", ".join(name.replace("_", "-") for name, value in given.items() if value is not None)
    if names:
        raise CallError(f"--from takes everything from the pile; leave out {names}.")
