"""What travels between an object store and hosts that share nothing else, for the demo's pile.

The demo is built twice by services that each have a scratch folder of their own: once as its catalogue says,
with most sources streamed, once with every source copied. The server of the store counts the bytes of all
bodies.

Run: `python -m benchmarks.object_store`.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.tables import print_table
from spikemill.services.cli.home import decide, decided_for_now
from spikemill.services.cli.local.home import Home
from spikemill.services.common.files import resource_folder
from standins.archive.holdings import demo_archive
from standins.archive.server import serve
from tests.acceptance.builds import Place
from tests.acceptance.running_builds import RunningBuild
from tests.servers.s3.server import Request, S3Server, serve_s3

_PROGRAM = Path(__file__).parents[1] / "tests" / "acceptance" / "cluster_program.py"
_PREFIX = "demo"
_KINDS: Mapping[str, str] = {
    "spool": "copies of assets",
    "chunks": "chunks",
    "piles": "shards, card and provenance",
}
_RELEASES = "SELECT array_agg(state::text) FROM releases WHERE state <> 'waiting'"


def build(work: Path, s3: S3Server, catalogue: str) -> Sequence[Request]:
    """Build the demo with a bucket as its store; return what was asked of the bucket."""
    home = Home(work / "home")
    path = work / "demo.toml"
    path.write_text(catalogue)
    with serve(demo_archive(work / "archive")) as archive:
        s3.requests()
        place = Place(home.path, path, archive, s3.environment(_PREFIX))
        with place.running([sys.executable, str(_PROGRAM), str(home.path), str(work / "hosts")]) as services:
            services.until(lambda: services.ledger.one("SELECT true"))
            with _ledger_of(services):
                place.run("queue", "--catalog", str(path))
            services.until(lambda: services.ledger.one(_RELEASES) == ["published"])
        return s3.requests()


@contextmanager
def _ledger_of(services: RunningBuild) -> Iterator[None]:
    with decided_for_now():
        decide(database_url=services.database_url())
        yield


def measure(way: str, catalogue: str) -> list[Sequence[str]]:
    """Return a line for each kind of file: how much of it went up and came down, in how many requests."""
    with tempfile.TemporaryDirectory(prefix="spikemill-") as folder, serve_s3() as s3:
        work = Path(folder)
        work.chmod(0o755)
        requests = build(work, s3, catalogue)
        start = f"/{s3.bucket}/{_PREFIX}/"
    lines: list[Sequence[str]] = []
    for kind, told in _KINDS.items():
        met = [request for request in requests if request.path.startswith(f"{start}{kind}/")]
        up, down = (sum(getattr(request, side) for request in met) for side in ("sent", "received"))
        lines.append((told, way, f"{up / 1e6:.1f}", f"{down / 1e6:.1f}", f"{len(met)}"))
    return lines


def main() -> None:
    """Measure both ways."""
    catalogue = (resource_folder("catalog") / "demo.toml").read_text()
    copied = catalogue.replace('fetch = "stream-or-copy"', 'fetch = "copy"')
    copied = copied.replace('fetch = "stream"', 'fetch = "copy"')
    lines = [*measure("as the demo is", catalogue), *measure("all copied", copied)]
    header = ("what", "fetch", "MB up", "MB down", "requests")
    print_table("The demo's pile in an object store", header, lines)


if __name__ == "__main__":
    main()
