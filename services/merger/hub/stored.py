"""Shards whose bytes the hub has, be they part of the dataset or not: nobody need read them again."""

from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote

from huggingface_hub import CommitOperationAdd
from huggingface_hub.lfs import UploadInfo, post_lfs_batch_info

from services.merger.hub.client import Hub
from services.merger.hub.failures import told_failures
from services.merger.hub.repository import DATASET
from services.merger.provenance import ShardRecord

# What the library itself asks for at once.
_AT_ONCE = 256


def stored_shards(hub: Hub, shards: Sequence[ShardRecord]) -> Collection[str]:
    """Return the names of those that an interrupted push, or an older one, brought to the storage of LFS."""
    return {
        name for start in range(0, len(shards), _AT_ONCE) for name in _stored(hub, shards[start:][:_AT_ONCE])
    }


def _stored(hub: Hub, shards: Sequence[ShardRecord]) -> Iterator[str]:
    with told_failures(hub.target):
        answers, _, _ = post_lfs_batch_info(
            [_upload_info(shard) for shard in shards],
            token=hub.api.token,  # type: ignore[arg-type]  # the library passes False on, too
            repo_type=DATASET,
            repo_id=hub.target.repository,
            revision=quote(hub.target.revision, safe=""),
            endpoint=hub.target.endpoint,
        )
    held = {answer["oid"] for answer in answers if answer.get("actions") is None}
    return (shard.name for shard in shards if shard.sha256 in held)


def stored_addition(shard: ShardRecord) -> CommitOperationAdd:
    """Return what adds a shard that the storage has; the library knows no public way to say so."""
    addition = CommitOperationAdd(shard.name, b"")
    addition.upload_info = _upload_info(shard)
    addition._upload_mode = "lfs"  # noqa: SLF001
    addition._is_uploaded = True  # noqa: SLF001
    return addition


def _upload_info(shard: ShardRecord) -> UploadInfo:
    return UploadInfo(size=shard.bytes, sample=b"", sha256=bytes.fromhex(shard.sha256))
