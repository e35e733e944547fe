"""`spikemill ledger`: tokens, rows, sessions, subjects and bytes per source, beside what was expected."""

from typing import Annotated, Literal

import typer

from services.cli import arguments
from services.cli.local.home import Home

Format = Annotated[
    Literal["table", "markdown", "csv", "json"],
    typer.Option("--format", help="The table shows what people look at, the others every column."),
]


def ledger(
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    form: Format = "table",
) -> None:
    """Show the tokens of each source, and what else was counted.

    Sessions, subjects, rows, tokens and bytes stand beside the figures that were expected.
    """
    from services.cli.ledger_of_home import current_build, ledger_of
    from services.cli.printing import output
    from services.cli.reporting.token_formats import FORMATS
    from services.cli.reporting.token_table import token_table
    from services.common.database import transaction
    from services.common.ledger import figures

    with ledger_of(Home(home)), transaction() as opened:
        counts = figures.tokens_of(opened, current_build(opened))
    if form == "table":
        output().print(token_table(counts))
    else:
        typer.echo(FORMATS[form](counts))
