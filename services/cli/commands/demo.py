"""`spikemill demo`: a whole build of a small made-up archive that is served on this machine."""

from pathlib import Path

from services.cli import arguments
from services.cli.local.home import Home

_NOTICE = "The demo's data are made up: a program draws every spike, and nothing can be learnt from them."
_CATALOGUE = "demo"
_REQUESTS_PER_MINUTE = "60000"


def demo(
    home: arguments.HomeFolder = Path("var/demo"),
    workers: arguments.Workers = arguments.DEFAULT_WORKERS,
) -> None:
    """Build a small pile from a made-up archive.

    The archive is served on this machine while the command runs; nothing leaves it.
    """
    from services.cli.asking import BuildOptions, build_request
    from services.cli.carrying_out import carry_out, interruption_told
    from services.cli.demo_archive import served_archive
    from services.cli.environment import decide
    from services.cli.printing import output
    from services.common.catalogue import load_catalogue
    from services.merger.pile_digest import pile_digest

    folder, console = Home(home), output()
    console.print(_NOTICE)
    console.print(f"The archive is made in {folder.path / 'archive'} and served while the demo runs.")
    with interruption_told(), served_archive(folder) as server:
        decide(
            dandi_api=server.dandi_api,
            figshare_api=server.figshare_api,
            requests_per_minute=_REQUESTS_PER_MINUTE,
        )
        carry_out(folder, build_request(load_catalogue(_CATALOGUE), BuildOptions()), workers=workers)
    console.print(f"The pile's sha256, the same on every machine: {pile_digest(folder.pile)}")
    console.print(_NOTICE)
