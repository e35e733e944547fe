"""Whether a pile on disk is what its provenance says: files, digests, rows, order, split and tokens."""

from collections.abc import Generator, Iterator
from hashlib import sha256
from pathlib import Path

from services.common.errors import CallError, DamagedOutputError
from services.merger.audit import file_sha256
from services.merger.card import card_head, provenance_sentence
from services.merger.comparison import Contents, Finding, compare_pile, compare_shard
from services.merger.loading_check import loading_findings
from services.merger.pile_layout import CARD, PROVENANCE
from services.merger.provenance import PileRecord, Provenance, ShardRecord, parse_provenance
from services.merger.reading import DecodedRow, decoded_rows

# Beside the card, `load_dataset` takes orders from these.
_STEERING = (".huggingface.yaml", "dataset_infos.json", "state.json", "*.py")


def verify_pile(pile: Path) -> Iterator[Finding]:
    """Read a whole pile and yield what is wrong with it, file by file; nothing if it is in order.

    Where we find nothing wrong, both ends of each split are also read with `datasets`, as the pile's readers
    will do. Nothing but the pile itself is needed. Raises `CallError` where there is no pile.
    """
    if not pile.is_dir():
        raise CallError(f"{pile} is no folder; name the folder of a pile, the one that holds {PROVENANCE}.")
    try:
        data = (pile / PROVENANCE).read_bytes()
        provenance = parse_provenance(data)
    except OSError as error:
        yield Finding(PROVENANCE, f"cannot be read ({error.strerror}); without it nothing can be checked")
        return
    except DamagedOutputError as error:
        yield Finding(PROVENANCE, str(error))
        return
    in_order = True
    for finding in _compared(pile, provenance, sha256(data).hexdigest()):
        in_order = False
        yield finding
    # A card that was changed may name any file or address; `load_dataset` would go there.
    if in_order:
        yield from loading_findings(_loaded_files(pile, provenance.pile), provenance.pile.split)


def _compared(pile: Path, provenance: Provenance, provenance_sha256: str) -> Iterator[Finding]:
    """Hold every file against the provenance."""
    yield from _card(pile, provenance.pile, provenance_sha256)
    yield from _extra_files(pile, provenance.pile)
    contents = yield from _shards(pile, provenance.pile)
    if len(contents) == len(provenance.pile.shards):
        yield from compare_pile(provenance, contents)


def _card(pile: Path, record: PileRecord, provenance_sha256: str) -> Iterator[Finding]:
    try:
        text = (pile / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Finding(CARD, f"cannot be read: {error}")
        return
    if provenance_sentence(provenance_sha256) not in text:
        yield Finding(PROVENANCE, "was changed after the merge: README.md names another sha256")
    if not text.startswith(card_head(record)):
        yield Finding(CARD, f"its head was changed, or {PROVENANCE} was: splits or row numbers differ")


def _extra_files(pile: Path, record: PileRecord) -> Iterator[Finding]:
    known = {shard.name for shard in record.shards}
    found = (path.relative_to(pile).as_posix() for path in (pile / "data").rglob("*") if path.is_file())
    for name in sorted(set(found) - known):
        yield Finding(name, "does not belong to this pile, but its readers would load it")
    for path in sorted(found for pattern in _STEERING for found in pile.glob(pattern)):
        yield Finding(path.name, "does not belong to this pile, but its readers would follow it")


def _shards(pile: Path, record: PileRecord) -> Generator[Finding, None, Contents]:
    """Check every shard by itself; return the rows of those that could be read."""
    last = {shard.split: shard for shard in record.shards}
    contents: dict[ShardRecord, list[DecodedRow]] = {}
    for shard in record.shards:
        path = pile / shard.name
        try:
            found = file_sha256(path)
            if found != shard.sha256:
                yield Finding(shard.name, f"was changed: its sha256 is {found}, recorded is {shard.sha256}")
            contents[shard] = list(decoded_rows(path))
        except DamagedOutputError as error:
            yield Finding(shard.name, str(error))
            continue
        is_last = shard == last[shard.split]
        yield from compare_shard(shard, contents[shard], record.parameters.seed, last=is_last)
    return contents


def _loaded_files(pile: Path, record: PileRecord) -> dict[str, Path]:
    """Return the card and the shards by their names; a name that leads out of `data` is no shard's."""
    known = {shard.name for shard in record.shards}
    shards = {f"data/{path.name}": path for path in (pile / "data").iterdir()}
    return {CARD: pile / CARD} | {name: path for name, path in shards.items() if name in known}
