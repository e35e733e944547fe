"""The commands that only read: `status`, `tokens`, `verify` and `plot`."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from spikemill.services.cli import arguments
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError, DamagedOutputError

Watch = Annotated[bool, typer.Option("--watch", help="Go on until the build ends.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Format = Annotated[
    Literal["table", "markdown", "csv", "json"],
    typer.Option("--format", help="The table shows what people look at, the others every column."),
]


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
