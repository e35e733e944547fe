"""What differs between a pile and the one that was built from its provenance."""

from collections.abc import Iterator

from services.merger.pile_layout import PROVENANCE
from services.merger.provenance import Provenance, SessionRecord


def differences(recorded: Provenance, found: Provenance) -> Iterator[str]:
    """Yield a line for each difference, the causes before what follows from them."""
    if recorded.pile.format_id != found.pile.format_id:
        yield (
            f"the pile was written as {recorded.pile.format_id}, this spikemill writes "
            f"{found.pile.format_id}: equal counts, other bytes"
        )
    yield from _sessions(recorded, found)
    yield from _shards(recorded, found)
    if recorded.to_bytes() != found.to_bytes():
        yield f"{PROVENANCE} is not the same"


def _sessions(recorded: Provenance, found: Provenance) -> Iterator[str]:
    before = {record.key: record for record in recorded.sessions}
    after = {record.key: record for record in found.sessions}
    for key in sorted(before.keys() | after.keys()):
        name = "/".join(key)
        if key not in after:
            yield f"{name}: is not in the new pile"
        elif key not in before:
            yield f"{name}: was not in the pile"
        else:
            yield from (f"{name}: {text}" for text in _session(before[key], after[key]))


def _session(recorded: SessionRecord, found: SessionRecord) -> Iterator[str]:
    before = {asset.path: asset for asset in recorded.assets}
    after = {asset.path: asset for asset in found.assets}
    changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    for path in changed:
        yield f"{path} is no longer what the archive held when the pile was made"
    if not changed and recorded.chunk_sha256 != found.chunk_sha256:
        yield "the same files came out with other bytes"


def _shards(recorded: Provenance, found: Provenance) -> Iterator[str]:
    before = {shard.name: shard.sha256 for shard in recorded.pile.shards}
    after = {shard.name: shard.sha256 for shard in found.pile.shards}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name}: its sha256 is {after.get(name, 'none')}, recorded is {before.get(name, 'none')}"
