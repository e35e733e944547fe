"""The commands. Each loads what it uses when it is called, so that `--help` stays fast."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from spikemill.services.cli import arguments
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError, DamagedOutputError
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
Watch = Annotated[bool, typer.Option("--watch", help="Go on until the build ends.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Format = Annotated[
    Literal["table", "markdown", "csv", "json"],
    typer.Option("--format", help="The table shows what people look at, the others every column."),
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

    target = arguments.wanted_target(push, public=public, revision=revision)
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

    target = arguments.wanted_target(push, public=public, revision=revision)
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

    target, console = arguments.named_target(repository, public=public, revision=revision), output()
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


def status(
    *,
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    watching: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Show where the build stands, and what failed."""
    if watching and as_json:
        raise CallError("--watch is for people, --json for programs; give one of them.")
    from spikemill.services.cli.format import output
    from spikemill.services.cli.home import ledger_of
    from spikemill.services.cli.report import print_status, status_document
    from spikemill.services.cli.watch import read_current, watch_home

    folder = Home(home)
    if watching:
        watch_home(folder)
    with ledger_of(folder) as has_workers:
        snapshot, left_out = read_current()
    if as_json:
        typer.echo(json.dumps(status_document(snapshot, left_out), indent=2))
        return
    print_status(snapshot, left_out, folder.path, output(), has_workers=has_workers)
    if folder.pile.exists():
        output().print(f"Pile: {folder.pile}")


def tokens(
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    form: Format = "table",
) -> None:
    """Show the tokens of each source, and what else was counted.

    Sessions, subjects, rows, tokens and bytes stand beside the figures that were expected.
    """
    from spikemill.services.cli.format import output
    from spikemill.services.cli.home import current_build, ledger_of
    from spikemill.services.cli.report import FORMATS, token_table
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import build_queries

    with ledger_of(Home(home)), transaction() as opened:
        counts = build_queries.tokens_of(opened, current_build(opened))
    if form == "table":
        output().print(token_table(counts))
    else:
        typer.echo(FORMATS[form](counts))


def verify(pile: arguments.Pile) -> None:
    """Check a pile against its provenance.

    Every file is read: schema, digests, row counts, order, split and tokens. Where all is in order, the first
    and the last rows of each split are also loaded with `datasets`, as the pile's readers will load them.
    """
    from spikemill.services.cli.format import count, output
    from spikemill.services.cli.home import pile_here
    from spikemill.services.cli.rebuild import read_pile_provenance
    from spikemill.services.merger.provenance import pile_digest
    from spikemill.services.merger.verify import verify_pile

    console, findings = output(), 0
    with pile_here(pile) as folder:
        for finding in verify_pile(folder):
            console.print(str(finding))
            findings += 1
        if findings:
            raise DamagedOutputError(f"{pile}: {count(findings, 'finding')}; do not use it, build it again.")
        split, sha256 = read_pile_provenance(folder).pile.split, pile_digest(folder)
    rows, tokens = split.train_rows + split.test_rows, split.train_tokens + split.test_tokens
    console.print(f"{pile} is whole: {count(rows, 'row')}, {count(tokens, 'token')}, sha256 {sha256}")


def plot(
    pile: arguments.Pile,
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="Where the picture goes.")],
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="Rows of each source.")] = 2,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses the rows.")] = 0,
) -> None:
    """Draw random rows of each source as one picture.

    Time in bins goes across, units go up.
    """
    from spikemill.services.cli.home import pile_here
    from spikemill.services.merger.plots import show_pile

    with pile_here(pile) as folder:
        show_pile(folder, out, rows_per_source=rows, seed=seed)
    typer.echo(f"Drawn: {out}")


def retry(sources: arguments.Sources = None, home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Send what failed for good back to the queue.

    Without names, what failed in every source.
    """
    from spikemill.services.cli.format import count
    from spikemill.services.cli.home import current_build, how_it_goes_on, ledger_of
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import admin, release_queries

    folder, names = Home(home), sources or []
    with ledger_of(folder) as has_workers, transaction() as ledger:
        known = {source.name for source in release_queries.sources_of(ledger, current_build(ledger))}
        if unknown := sorted(set(names) - known):
            raise CallError(
                f"No source of the build is called {unknown[0]}; it has {', '.join(sorted(known))}."
            )
        sent = admin.retry_dead(ledger, names)
    if not sent:
        typer.echo("Nothing had failed for good.")
        return
    typer.echo(f"{count(sent, 'failure')} sent back. {how_it_goes_on(folder, has_workers=has_workers)}")


def skip(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="As status prints it: source/subject/session.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the dataset card says it.")],
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
) -> None:
    """Let builds go on without one session.

    The dataset card names it, with the reason.
    """
    from spikemill.services.cli.home import how_it_goes_on, ledger_of
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import admin

    folder = Home(home)
    with ledger_of(folder) as has_workers, transaction() as ledger:
        admin.skip(ledger, session, reason)
    typer.echo(f"{session} is skipped. {how_it_goes_on(folder, has_workers=has_workers)}")


def cancel(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Stop the open builds of a ledger.

    What is done stays done: building again goes on where they stopped.
    """
    from spikemill.services.cli.format import count
    from spikemill.services.cli.home import ledger_of
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import admin

    with ledger_of(Home(home)), transaction() as ledger:
        cancelled = admin.cancel_builds(ledger)
    typer.echo(f"{count(cancelled, 'build')} cancelled." if cancelled else "No build was open.")


def prune(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Drop the chunks that no open build needs.

    The piles stay; a later build that needs the chunks makes them again.
    """
    from spikemill.services.cli.format import count, size
    from spikemill.services.cli.home import ledger_of, store_of
    from spikemill.services.sweeper.garbage_collection import drop_spare_chunks

    folder = Home(home)
    store = store_of(folder)
    if store is None:
        raise CallError("Set SPIKEMILL_STORE to the store of the ledger in SPIKEMILL_DATABASE_URL.")
    with ledger_of(folder):
        chunks, freed = drop_spare_chunks(store)
    typer.echo(f"{count(chunks, 'chunk')} dropped, {size(freed)} freed.")
