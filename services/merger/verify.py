"""Whether a pile on disk is what its provenance says: files, digests, rows, order, split and tokens."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from spikemill.services.common.errors import CallError, DamagedOutputError, SpikemillError
from spikemill.services.common.process import process_exit_of
from spikemill.services.common.row_format import ROWS_PER_GROUP
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.card import provenance_sentence
from spikemill.services.merger.card_head import card_head
from spikemill.services.merger.plan import SplitFacts, divide, entries_digest
from spikemill.services.merger.provenance import (
    CARD,
    PROVENANCE,
    PileRecord,
    Provenance,
    SessionRecord,
    ShardRecord,
    file_sha256,
    parse_provenance,
)
from spikemill.services.merger.shards import DecodedRow, decoded_rows

# Beside the card, `load_dataset` takes orders from these.
_STEERING = (".huggingface.yaml", "dataset_infos.json", "state.json", "*.py")
_PROGRAM = "spikemill.services.merger.loading_trial"
# All else that steers `datasets` and its hub's client stays outside, tokens included.
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENBLAS_NUM_THREADS", "PATH")
_DECIDED = {
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
}
# Two row groups of each split are read in seconds.
_LONGEST = 1800.0
Contents = Mapping[ShardRecord, Sequence[DecodedRow]]
"""The rows of each shard, in the order of the pile."""


class LoadingCheckError(SpikemillError):
    """It is not known whether `datasets` reads the pile: the trial did not finish."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be, and in which file of the pile."""

    file: str
    text: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.file}: {self.text}"


def verify_pile(pile: Path) -> Iterator[Problem]:
    """Read a whole pile and yield what is wrong with it, file by file; nothing if it is in order.

    Where nothing is wrong, both ends of each split are also read with `datasets`, as the pile's readers
    will do. Nothing but the pile itself is needed. Raises `CallError` where there is no pile.
    """
    if not pile.is_dir():
        raise CallError(f"{pile} is no folder; name the folder of a pile, the one that holds {PROVENANCE}.")
    try:
        data = (pile / PROVENANCE).read_bytes()
        provenance = parse_provenance(data)
    except OSError as error:
        yield Problem(PROVENANCE, f"cannot be read ({error.strerror}); without it nothing can be checked")
        return
    except DamagedOutputError as error:
        yield Problem(PROVENANCE, str(error))
        return
    in_order = True
    for problem in _compare(pile, provenance, sha256(data).hexdigest()):
        in_order = False
        yield problem
    # A card that was changed may name any file or address; `load_dataset` would go there.
    if in_order:
        known = {shard.name for shard in provenance.pile.shards}
        # Only files in `data`: a name in the provenance may lead elsewhere.
        shards = {f"data/{path.name}": path for path in (pile / "data").iterdir()}
        files = {name: path for name, path in shards.items() if name in known}
        yield from loading_problems({CARD: pile / CARD} | files, provenance.pile.split)


def _compare(pile: Path, provenance: Provenance, provenance_sha256: str) -> Iterator[Problem]:
    record = provenance.pile
    yield from _card(pile, record, provenance_sha256)
    yield from _extra_files(pile, record)
    contents = yield from _shards(pile, record)
    if len(contents) < len(record.shards):
        return
    rows = [row for shard_rows in contents.values() for row in shard_rows]
    yield from _rows_of_sessions(provenance.sessions, rows)
    yield from _sessions(provenance.sessions, rows)
    yield from _shard_borders(contents, record.parameters.seed)
    yield from _split(record, contents, rows)
    yield from _rows_digest(provenance)


def _card(pile: Path, record: PileRecord, provenance_sha256: str) -> Iterator[Problem]:
    try:
        text = (pile / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(CARD, f"cannot be read: {error}")
        return
    if provenance_sentence(provenance_sha256) not in text:
        yield Problem(PROVENANCE, "was changed after the merge: README.md names another sha256")
    if not text.startswith(card_head(record)):
        yield Problem(CARD, f"its head was changed, or {PROVENANCE} was: splits or row numbers differ")


def _extra_files(pile: Path, record: PileRecord) -> Iterator[Problem]:
    known = {shard.name for shard in record.shards}
    found = (path.relative_to(pile).as_posix() for path in (pile / "data").rglob("*") if path.is_file())
    for name in sorted(set(found) - known):
        yield Problem(name, "does not belong to this pile, but its readers would load it")
    for path in sorted(found for pattern in _STEERING for found in pile.glob(pattern)):
        yield Problem(path.name, "does not belong to this pile, but its readers would follow it")


def _shards(pile: Path, record: PileRecord) -> Generator[Problem, None, Contents]:
    """Check every shard by itself; return the rows of those that could be read."""
    last = {shard.split: shard for shard in record.shards}
    contents: dict[ShardRecord, list[DecodedRow]] = {}
    for shard in record.shards:
        path = pile / shard.name
        try:
            found = file_sha256(path)
            if found != shard.sha256:
                yield Problem(shard.name, f"was changed: its sha256 is {found}, recorded is {shard.sha256}")
            contents[shard] = list(decoded_rows(path))
        except DamagedOutputError as error:
            yield Problem(shard.name, str(error))
            continue
        is_last = shard == last[shard.split]
        yield from _check_shard(shard, contents[shard], record.parameters.seed, last=is_last)
    return contents


def _check_shard(
    shard: ShardRecord, rows: Sequence[DecodedRow], seed: int, *, last: bool
) -> Iterator[Problem]:
    """Check one shard by itself; only the `last` one of its split may end with a smaller row group."""
    found = (len(rows), sum(row.tokens for row in rows))
    if found != (shard.rows, shard.tokens):
        yield Problem(
            shard.name,
            f"holds {found[0]} rows and {found[1]} tokens, recorded are {shard.rows} and {shard.tokens}",
        )
    sizes = Counter(row.row_group for row in rows)
    final = max(sizes, default=0)
    for group, size in sorted(sizes.items()):
        if size != ROWS_PER_GROUP and not (last and group == final and size < ROWS_PER_GROUP):
            yield Problem(shard.name, f"row group {group} holds {size} rows, not {ROWS_PER_GROUP}")
    yield from _order([(shard, row) for row in rows], seed)


def _order(places: Sequence[tuple[ShardRecord, DecodedRow]], seed: int) -> Iterator[Problem]:
    """Report the first row that comes before one that it should follow."""
    keys = [row.sort_key(seed) for _, row in places]
    for position, (key, next_key) in enumerate(pairwise(keys)):
        if key > next_key:
            shard, row = places[position + 1]
            yield Problem(
                shard.name, f"{'/'.join(row.names)} is in the wrong place: rows were swapped or moved"
            )
            return


def _shard_borders(contents: Contents, seed: int) -> Iterator[Problem]:
    ends = [(shard, rows[place]) for shard, rows in contents.items() if rows for place in (0, -1)]
    for split in ("train", "test"):
        yield from _order([(shard, row) for shard, row in ends if shard.split == split], seed)


def _rows_of_sessions(sessions: Iterable[SessionRecord], rows: Iterable[DecodedRow]) -> Iterator[Problem]:
    expected = Counter((*record.key, segment) for record in sessions for segment in record.segments)
    found = Counter(row.names for row in rows)
    for text, difference in (
        ("is missing", expected - found),
        ("should not be there, or not twice", found - expected),
    ):
        for names in sorted(difference):
            yield Problem("data", f"{'/'.join(names)} {text}")


def _sessions(sessions: Iterable[SessionRecord], rows: Iterable[DecodedRow]) -> Iterator[Problem]:
    by_session: dict[SessionKey, list[DecodedRow]] = defaultdict(list)
    for row in rows:
        by_session[row.session_key].append(row)
    for record in sessions:
        problem = _session_problem(record, by_session[record.key])
        if problem:
            yield Problem(PROVENANCE, f"session {'/'.join(record.key)}: {problem}")


def _session_problem(record: SessionRecord, rows: Sequence[DecodedRow]) -> str | None:
    """Compare shape and sum; of clipped cells only the least that they lost is known."""
    found = ({row.n_units for row in rows}, sum(row.n_bins for row in rows), sum(row.tokens for row in rows))
    if found != ({record.n_units}, record.n_bins, record.tokens):
        return (
            f"its rows hold {sorted(found[0])} units, {found[1]} bins and {found[2]} tokens, "
            f"recorded are {record.n_units}, {record.n_bins} and {record.tokens}"
        )
    counts = sum(row.counts for row in rows)
    if counts > record.spikes - record.clipped or (not record.clipped and counts != record.spikes):
        return f"its cells count {counts} spikes, recorded are {record.spikes}, {record.clipped} clipped"
    return None


def _split(record: PileRecord, contents: Contents, rows: Sequence[DecodedRow]) -> Iterator[Problem]:
    """Decide the split again, and report rows on the wrong side."""
    split = divide(rows, record.parameters)
    testing = set(split.test)
    for shard, shard_rows in contents.items():
        wrong = [row for row in shard_rows if (row in testing) != (shard.split == "test")]
        if wrong:
            yield Problem(
                shard.name,
                f"{'/'.join(wrong[0].names)} belongs to the other split ({len(wrong)} such rows)",
            )
    if split.facts != record.split:
        yield Problem(PROVENANCE, "the recorded split is not what the rows come to")


def _rows_digest(provenance: Provenance) -> Iterator[Problem]:
    entries = (
        (record.key, segment, record.chunk_sha256)
        for record in provenance.sessions
        for segment in record.segments
    )
    if entries_digest(entries) != provenance.pile.rows_digest:
        yield Problem(PROVENANCE, "sessions, their rows or their chunks are not those that were merged")


def loading_problems(files: Mapping[str, Path], split: SplitFacts) -> Iterator[Problem]:
    """Yield what `load_dataset(streaming=True)` cannot read, or reads otherwise than our own reader.

    `files` are the card and the shards by their names in the pile; of each split the first and the last shard
    are enough, for only its first and its last row group are decoded. A card may name any address, so hand in
    none that spikemill did not write. No network is used, and nothing is left behind.

    Raises `MemoryError` where there is too little memory, `LoadingCheckError` where the trial itself fails.
    """
    with TemporaryDirectory(prefix="spikemill-loading-") as folder:
        trial = Path(folder)
        for name, path in files.items():
            link = trial / "pile" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
        rows = {"train": split.train_rows, "test": split.test_rows}
        (trial / "rows.json").write_text(json.dumps({name: count for name, count in rows.items() if count}))
        lines = _try_to_load(trial).splitlines()
    for line in lines:
        yield Problem(**json.loads(line))


def _try_to_load(trial: Path) -> str:
    """Return what the trial prints, a line of JSON for each problem."""
    try:
        ended = subprocess.run(  # noqa: S603 - this Python, and a program of ours
            [sys.executable, "-m", _PROGRAM, str(trial)],
            cwd=trial,
            env=_environment(trial),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadingCheckError(f"datasets did not read the ends of the pile in {_LONGEST:.0f} s.") from error
    if ended.returncode == 0:
        return ended.stdout
    how = process_exit_of(ended.returncode).reason
    last_line = (ended.stderr.strip().splitlines() or [how])[-1]
    if ended.returncode == -signal.SIGKILL or "MemoryError" in last_line:
        raise MemoryError(f"Both ends of the pile were to be read with datasets: {last_line}")
    raise LoadingCheckError(f"The trial with datasets failed ({how}): {last_line}")


def _environment(trial: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    imports = os.pathsep.join(entry for entry in sys.path if entry)
    home = {"HOME": str(trial), "HF_HOME": str(trial / "hub"), "TMPDIR": str(trial), "PYTHONPATH": imports}
    return kept | _DECIDED | home
