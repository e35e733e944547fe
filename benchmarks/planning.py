"""Planning the whole rodent catalogue: `spikemill plan` against a stand-in that lists what the archives hold.

`python -m benchmarks.planning LISTINGS` names the folder of the listings that were taken of the archives.
What it prints stands in docs/sources.md.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rodent_archive import rodent_archive
from spikemill.services.common.catalog import load_catalogue
from standins.archive.server import ArchiveServer, serve

CATALOGUE = "rodent"


def main() -> None:
    """Print the tables in Markdown, and what they took at the pace that archives are asked at."""
    listings = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if listings is None or not listings.is_dir():
        sys.exit("Name the folder of the listings: python -m benchmarks.planning LISTINGS")
    catalogue = load_catalogue(CATALOGUE)
    others = [source.name for source in catalogue.sources if not source.default]
    with serve(rodent_archive(catalogue, listings)) as server:
        for arguments in ([], others):
            _print_plan(server, arguments)


def plan(server: ArchiveServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against a server in place of the public archives."""
    apis = {"SPIKEMILL_DANDI_API": server.dandi_api, "SPIKEMILL_FIGSHARE_API": server.figshare_api}
    program = str(Path(sys.executable).with_name("spikemill"))
    command = [program, "plan", "--catalog", CATALOGUE, *arguments]
    return subprocess.run(  # noqa: S603 - our own command
        command, env=os.environ | apis, capture_output=True, text=True, check=False
    )


def _print_plan(server: ArchiveServer, sources: Sequence[str]) -> None:
    server.forget_requests()
    began = time.monotonic()
    planned = plan(server, *sources, "--markdown")
    seconds = time.monotonic() - began
    print(f"$ spikemill plan {' '.join((*sources, '--catalog', CATALOGUE, '--markdown'))}\n")
    print(planned.stdout + planned.stderr)
    print(f"{len(server.requests())} requests, {seconds:.0f} s\n")


if __name__ == "__main__":
    main()
