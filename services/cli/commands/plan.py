"""`spikemill plan`: a dry run that lists the archives and downloads nothing."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli import arguments
from services.common.errors import CallError


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
    from services.cli.asking import named_catalogue
    from services.cli.failing import FAILED
    from services.cli.listing.listing_table import listing_markdown, listing_table
    from services.cli.listing.source_listing import list_sources
    from services.cli.printing import complain, print_whole

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
            complain(f"{listing.source}: {difference}{f' ({listing.differs})' if listing.differs else ''}")
    if len(listings) < len(catalogue.sources):
        raise typer.Exit(FAILED)
