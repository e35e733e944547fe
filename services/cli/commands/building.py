"""The commands that build: `build`, `demo`, `plan`, `queue` and `push`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from spikemill.services.cli import arguments
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError
from spikemill.services.common.hub_target import Transfer

FromPile = Annotated[
    Path | None,
    typer.Option("--from", metavar="PILE", help="Build a pile again from its provenance, and compare."),
]
Folders = Annotated[
    list[str] | None,
    typer.Option("--folder", metavar="NAME=PATH", help="With --from: where the files of a source lie."),
]
_NOTICE = "The demo's data are made up: a program draws every spike, and nothing can be learnt from them."
Repository = Annotated[
    str,
    typer.Argument(
        metavar="REPO", help="The dataset on the hub, as organisation/name or user/name; made if missing."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
With = Annotated[
    Transfer | None,
    typer.Option("--with", help="How shards travel (or SPIKEMILL_PUSH_WITH): lfs if not given."),
]


def build(
    sources: arguments.Sources = None,
    *,
    catalog: arguments.Catalog = None,
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    workers: arguments.Workers = arguments.DEFAULT_WORKERS,
    limit: arguments.Limit = None,
    allow_missing: arguments.AllowMissing = False,
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
    from spikemill.services.cli.build import (
        BuildOptions,
        build_request,
        named_catalogue,
        run_build,
    )
    from spikemill.services.cli.push import wanted_target

    target = wanted_target(push, public=public, revision=revision)
    if from_pile is not None:
        others = {"catalog": catalog, "limit": limit, "allow_missing": allow_missing or None}
        from spikemill.services.cli.rebuild import rebuild

        _refuse_beside_from(others | {"SOURCE": sources or None})
        rebuild(Home(home), from_pile, folder or [], workers=workers, push=target)
        return
    if folder:
        raise CallError("--folder is for --from; a catalogue names the folders itself.")
    options = BuildOptions(limit, allow_missing, push=target)
    run_build(Home(home), build_request(named_catalogue(catalog, sources), options), workers=workers)


def _refuse_beside_from(given: dict[str, object]) -> None:
    """A pile says itself how it was built."""
    names = ", ".join(name.replace("_", "-") for name, value in given.items() if value is not None)
    if names:
        raise CallError(f"--from takes everything from the pile; leave out {names}.")


def demo(
    home: arguments.HomeFolder = Path("var/demo"),
    workers: arguments.Workers = arguments.DEFAULT_WORKERS,
    archive: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Build from the made-up archive that is served there."),
    ] = None,
) -> None:
    """Build a small pile from made-up recordings.

    They are made in a folder of the home; nothing leaves this machine.
    """
    from spikemill.services.cli.build import BuildOptions, build_request, interruption_told, run_build
    from spikemill.services.cli.demo import demo_catalogue
    from spikemill.services.cli.format import output
    from spikemill.services.merger.provenance import pile_digest

    folder, console = Home(home), output()
    console.print(_NOTICE)
    with interruption_told():
        request = build_request(demo_catalogue(folder, archive), BuildOptions())
        run_build(folder, request, workers=workers)
    console.print(f"The pile's sha256, the same on every machine: {pile_digest(folder.pile)}")
    console.print(_NOTICE)


def plan(
    sources: arguments.Sources = None,
    *,
    catalog: arguments.Catalog = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: everything that is known.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The table for a page.")] = False,
) -> None:
    """Show what a build would take; downloads nothing.

    The archives are listed: per source its assets and bytes, those selected, sessions, subjects, expected
    tokens, and the requests that the listing took.
    """
    if as_json and as_markdown:
        raise CallError("--json and --markdown are two forms of the same; choose one.")
    from spikemill.services.cli.build import named_catalogue
    from spikemill.services.cli.format import print_error, print_whole
    from spikemill.services.cli.main import FAILED
    from spikemill.services.cli.plan import list_sources, listing_markdown, listing_table

    catalogue = named_catalogue(catalog, sources)
    listings = list_sources(catalogue)
    if as_json:
        typer.echo(json.dumps([asdict(listing) for listing in listings], indent=2))
    elif listings and as_markdown:
        typer.echo(listing_markdown(listings))
    elif listings:
        print_whole(listing_table(listings))
    for listing in listings:
        for difference in listing.differences:
            print_error(f"{listing.source}: {difference}{f' ({listing.differs})' if listing.differs else ''}")
    if len(listings) < len(catalogue.sources):
        raise typer.Exit(FAILED)


def queue(
    sources: arguments.Sources = None,
    *,
    catalog: arguments.Catalog = None,
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    limit: arguments.Limit = None,
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
    from spikemill.services.cli.build import (
        BuildOptions,
        build_request,
        named_catalogue,
        queue_build,
    )
    from spikemill.services.cli.push import wanted_target

    target = wanted_target(push, public=public, revision=revision)
    options = BuildOptions(limit, allow_missing, adds_to_open_build=True, push=target)
    request = build_request(named_catalogue(catalog, sources), options)
    typer.echo(queue_build(Home(home), request))


def push(
    pile: arguments.Pile,
    repository: Repository,
    *,
    public: arguments.Public = None,
    revision: arguments.Revision = None,
    dry_run: DryRun = False,
    transfer: With = None,
) -> None:
    """Publish a pile on the Hugging Face hub.

    Shards that the hub has are not sent again, and one commit makes the dataset this pile. It may be
    interrupted and run again. The token is that of `hf auth login`, HF_TOKEN or HF_TOKEN_PATH.
    """
    from spikemill.services.cli.format import output, print_error
    from spikemill.services.cli.push import (
        going_on_told,
        named_pile,
        named_target,
        note_in_ledger,
        preview_lines,
        push_progress,
        pushed_lines,
    )
    from spikemill.services.common.errors import readable
    from spikemill.services.common.hub_target import require_redistributable
    from spikemill.services.common.settings import settings
    from spikemill.services.merger.hub import push as hub
    from spikemill.services.merger.hub.client import has_token

    target, console = named_target(repository, public=public, revision=revision), output()
    found = named_pile(pile)
    record = found.files.provenance.pile
    require_redistributable(record.sources)
    if dry_run:
        difference = hub.preview(found.files, target)
        for line in preview_lines(difference, target, has_token=has_token(target)):
            console.print(line)
        return
    with going_on_told(), push_progress(console, len(record.shards)) as progress:
        pushed = hub.push(found.files, target, transfer=transfer or settings().push_with, progress=progress)
    for line in pushed_lines(pushed, target):
        console.print(line)
    try:
        note_in_ledger(found, target, pushed.commit)
    except Exception as error:
        print_error(f"It is pushed, but its ledger could not be told: {readable(error)}")
