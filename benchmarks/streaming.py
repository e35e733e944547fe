"""Reading the spikes of a session where it lies, beside plain parallel range requests for the same bytes.

The archive answers after 50 ms, and each connection to it carries so many MB/s. Both ways have eight
connections. The plain one knows where the spike times lie: each connection fetches an eighth of them, in one
request where they are in one place, and throws them away. Ours asks the archive where the file lies, reads
the file's structure, and has the spike times in memory at the end. Each is the best of some runs, which take
turns.

Run: `python -m benchmarks.streaming [--rate 10]`. It needs 3 GB on the disk of the temporary folder.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h5py
import httpx
import typer

from benchmarks.distant_archive import Distance, DistantFile, distant
from benchmarks.generated_recordings import spike_bytes, write_ibl_like, write_small, write_vcn_like
from benchmarks.memory import MEBIBYTE, in_own_process
from benchmarks.tables import print_table
from spikemill.services.binner.readers import make_reader
from spikemill.services.binner.readers.base import ByteSpan
from spikemill.services.binner.readers.nwb import byte_spans
from spikemill.services.binner.remote.remote_file import open_remote
from spikemill.services.common.archives.dandi import DandiArchive
from spikemill.services.common.rate_limit import Unlimited

CONNECTIONS = 8
LATENCY = 0.05
ROUNDS = 3

LAYOUTS: dict[str, Callable[[Path], None]] = {
    "as the Allen's, contiguous": partial(write_vcn_like, n_units=2779, seconds=9600),
    "as the IBL's, deflated": partial(write_ibl_like, n_units=2000),
    "small": write_small,
}


class Streamed(NamedTuple):
    """What reading a session's spikes took; `peak` is the memory of the whole process, in bytes."""

    seconds: float
    fetched: int
    requests: int
    peak: int


def stream(file: DistantFile) -> Streamed:
    """Read the spikes of a session, from the question where it lies to the times in memory."""
    start = time.perf_counter()
    archive = DandiArchive(file.api, "000021", "0.1.1", Unlimited())
    with open_remote(archive, file.asset, limiter=Unlimited(), connections=CONNECTIONS) as remote:
        make_reader("nwb-units", {}).read(remote)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Streamed(seconds, remote.pinned.bytes_downloaded, remote.pinned.requests, peak)


def fetch_plainly(file: DistantFile, spans: Sequence[ByteSpan]) -> float:
    """Fetch these bytes, an equal share of them over each connection; return the seconds."""
    start = time.perf_counter()
    with httpx.Client() as client, ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(partial(fetch_share, client, file.address), equal_shares(spans)))
    return time.perf_counter() - start


def equal_shares(spans: Sequence[ByteSpan]) -> list[list[ByteSpan]]:
    """Cut the spans into a list for each connection, all of the same length in bytes."""
    length = -(-sum(span.length for span in spans) // CONNECTIONS)
    shares: list[list[ByteSpan]] = [[] for _ in range(CONNECTIONS)]
    given = 0
    for span in spans:
        offset = span.offset
        while offset < span.end:
            number, taken = divmod(given, length)
            piece = ByteSpan(offset, min(length - taken, span.end - offset))
            shares[number].append(piece)
            offset, given = piece.end, given + piece.length
    return shares


def fetch_share(client: httpx.Client, address: str, share: Sequence[ByteSpan]) -> None:
    """Fetch some ranges, one after the other."""
    for span in share:
        headers = {"Range": f"bytes={span.offset}-{span.end - 1}"}
        with client.stream("GET", address, headers=headers) as response:
            for _ in response.iter_raw():
                pass


def compare(path: Path, rate: float) -> Iterator[str]:
    """Yield the figures of one file."""
    needed = spike_bytes(path)
    with h5py.File(path) as content:
        spans = byte_spans(content["units/spike_times"])
    with distant(path, Distance(LATENCY, rate)) as file:
        runs = [
            (in_own_process(fetch_plainly, file, spans), in_own_process(stream, file)) for _ in range(ROUNDS)
        ]
    plain = min(seconds for seconds, _ in runs)
    ours = min(streamed for _, streamed in runs)
    yield from (f"{size / MEBIBYTE:,.1f}" for size in (path.stat().st_size, needed, ours.fetched))
    yield str(ours.requests)
    yield from (f"{needed / seconds / MEBIBYTE:,.1f}" for seconds in (plain, ours.seconds))
    yield f"{100 * plain / ours.seconds:.0f} %"
    yield f"{max(streamed.peak for _, streamed in runs) / MEBIBYTE:,.0f}"


def main(rate: float = 10.0) -> None:
    """Print a line for each layout; `rate` is what a connection carries, in MB/s."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.nwb"
        for layout, write in LAYOUTS.items():
            in_own_process(write, path)
            rows.append([layout, *compare(path, rate * 1e6)])
            path.unlink()
    print_table(
        f"Streaming over {CONNECTIONS} connections of {rate:g} MB/s after {LATENCY * 1000:g} ms "
        f"(best of {ROUNDS})",
        ["file", "MiB", "of spikes", "fetched", "requests", "plain MiB/s", "ours", "share", "peak MiB"],
        rows,
    )


if __name__ == "__main__":
    typer.run(main)
