"""How much of a published pile travels again when it has grown, by LFS and by Xet.

Run: `python -m benchmarks.publishing [--sources 8]`. It needs 2 GB on the disk of the temporary folder.

Each way has a made-up hub of its own, and four pushes one after the other: a pile, the same again, the pile
with one more source of a single session, and with one more that is as large as the others. Told is what the
publisher sent of shards, and by how much the hub's storage grew. For Xet that is hf_xet's own store in a
folder, which also holds the cache of its publisher, where it keeps what earlier pushes put there: it is
removed before each push "without its cache".
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.generated_chunks import Counts, generated_session
from benchmarks.generated_piles import merge
from benchmarks.memory import in_own_process
from benchmarks.tables import print_table
from spikemill.services.binner.chunks import Segment
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.hub_target import HubTarget, Transfer
from spikemill.services.common.row_format import TOKENS_PER_ROW
from spikemill.services.common.types import PlannedRow, SessionNames
from spikemill.services.merger.hub.push import Pushed, push
from spikemill.services.merger.provenance import pile_in_folder
from standins.hub.server import HubServer, serve_hub

BIN_SECONDS = 0.02
ROWS_PER_SESSION = 5
SESSIONS_PER_SOURCE = 4
SHARD_LIMITS = {"in few shards": 500_000_000, "in many shards": 10_000_000}
"""Bytes after which a shard closes; the first is the limit of a real pile, which counts tokens as well."""


class Way(NamedTuple):
    """How shards travel, and whether the publisher forgets between the pushes what it sent."""

    name: str
    transfer: Transfer
    forgets: bool = False


WAYS = (
    Way("LFS", Transfer.LFS),
    Way("Xet", Transfer.XET),
    Way("Xet, without its cache", Transfer.XET, forgets=True),
)


def write_session(store: Path, source: int, number: int) -> list[PlannedRow]:
    """Write a session whose units fire at 0.1 to 20 Hz."""
    generator = np.random.default_rng([source, number])
    n_units = int(generator.integers(100, 1000))
    rates = np.exp(generator.uniform(np.log(0.1), np.log(20), n_units))

    def spikes(segment: Segment) -> Counts:
        shape = n_units, segment.n_bins
        return generator.poisson(rates[:, None] * BIN_SECONDS, shape).astype(np.uint8)

    name = SessionNames(f"source-{source:02}", f"sub-{number}", f"ses-{number}")
    return generated_session(store, name, n_units, ROWS_PER_SESSION * TOKENS_PER_ROW // n_units, spikes)


def write_sources(store: Path, sizes: Sequence[int]) -> list[list[PlannedRow]]:
    """Write sources of so many sessions each, on all cores; return the rows of each."""
    store.mkdir()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        sessions = [
            [processes.submit(write_session, store, source, number) for number in range(size)]
            for source, size in enumerate(sizes)
        ]
        return [[row for session in source for row in session.result()] for source in sessions]


def grown_piles(work: Path, sources: Sequence[list[PlannedRow]], shard_bytes: int) -> Mapping[str, Path]:
    """Merge all sources but the last two, then one more, then all; return the folder by what was added."""
    parameters = MergeParameters(test_fraction=0.1, shard_bytes=shard_bytes)
    piles = {}
    for added, left_out in {"the first": 2, "one more session": 1, "one more source": 0}.items():
        piles[added] = work / f"pile-{left_out}"
        rows = [row for source in sources[: len(sources) - left_out] for row in source]
        merge(work.parent / "chunks", rows, piles[added], parameters)
    return piles


def publish(pile: Path, address: str, transfer: Transfer) -> Pushed:
    """Push a pile to a hub."""
    return push(pile_in_folder(pile), HubTarget("lab/spikes", endpoint=address), transfer=transfer)


def forget(store: Path) -> None:
    """Remove from a store of hf_xet what belongs to its publisher; the blocks themselves stay."""
    for name in ("shard-cache", "shard-session"):
        shutil.rmtree(store / name, ignore_errors=True)


def stored(hub: HubServer) -> int:
    """Return how many bytes of shards have come into the hub's storage, by whichever way."""
    return hub.xet_bytes + sum(entry.bytes_received for entry in hub.requests("^/lfs/", method="PUT"))


def push_all(way: Way, piles: Mapping[str, Path], work: Path) -> Iterator[list[str]]:
    """Push one pile after the other; yield the figures of each."""
    first, *later = piles.items()
    with serve_hub(work / "hub") as hub:
        for what, pile in [first, ("the same again", first[1]), *later]:
            before = stored(hub)
            # A process of its own: the store of hf_xet is held by whoever opened it until he ends.
            pushed = in_own_process(publish, pile, hub.url, way.transfer)
            if way.forgets:
                forget(work / "hub" / "xet" / "xet")
            yield [way.name, what, *figures(pile, pushed, stored(hub) - before)]


def figures(pile: Path, pushed: Pushed, grown: int) -> Iterator[str]:
    """Yield what a push came to."""
    size = sum(shard.bytes for shard in pile_in_folder(pile).provenance.pile.shards)
    yield f"{size / 1e6:,.1f}"
    yield f"{pushed.uploaded_shards} of {pushed.uploaded_shards + pushed.kept_shards}"
    yield f"{pushed.uploaded_bytes / 1e6:,.1f}"
    yield f"{100 * pushed.uploaded_bytes / size:.1f} %"
    yield f"{grown / 1e6:,.1f}"


def measure(title: str, shard_bytes: int, sources: Sequence[list[PlannedRow]], work: Path) -> None:
    """Push the growing pile each way, and print a table."""
    piles = grown_piles(work, sources, shard_bytes)
    table: list[list[str]] = []
    for way in WAYS:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            table += push_all(way, piles, Path(folder))
    new = [sum(row.compressed_bytes for row in source) / 1e6 for source in sources[-2:]]
    print_table(
        f"A pile {title}; the new session has {new[0]:.1f} MB, the new source {new[1]:.1f} MB",
        ["by", "push", "MB", "shards sent", "MB sent", "share", "MB stored"],
        table,
    )


def main(
    sources: Annotated[int, typer.Option(min=1, help="Of how many sources the first pile is made.")] = 8,
) -> None:
    """Measure in a folder that is removed afterwards."""
    sizes = [*([SESSIONS_PER_SOURCE] * sources), 1, SESSIONS_PER_SOURCE]
    with tempfile.TemporaryDirectory() as folder:
        written = write_sources(Path(folder) / "chunks", sizes)
        for title, shard_bytes in SHARD_LIMITS.items():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                measure(title, shard_bytes, written, Path(work))


if __name__ == "__main__":
    typer.run(main)
