"""Shards on their way to the hub, one after the other; each is looked at before it goes."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import CommitOperationAdd

from services.common.checksums import sha256_of
from services.common.errors import DamagedOutputError, HubError
from services.common.hub_target import Transfer
from services.merger.hub.client import Hub
from services.merger.hub.failures import UploadError
from services.merger.hub.pile_files import PileFiles
from services.merger.hub.repository import send_large_files
from services.merger.hub.xet import send_by_xet
from services.merger.provenance import ShardRecord

_log = logging.getLogger(__name__)

Send = Callable[[Hub, ShardRecord, Path], CommitOperationAdd]


def sent_shard(hub: Hub, pile: PileFiles, shard: ShardRecord, transfer: Transfer) -> CommitOperationAdd:
    """Bring a shard to the hub, where it is not there yet, and return what adds it to a commit.

    Raises `DamagedOutputError` where it is not the one of the provenance: nothing of it is sent then.
    """
    send = {Transfer.LFS: _send_by_lfs, Transfer.XET: _send_by_xet}[transfer]
    with pile.local(shard.name) as path:
        failures = 0
        while True:
            try:
                return send(hub, shard, path)
            except UploadError as error:
                failures += 1
                pause = hub.patience.pause(failures, error.retry_after)
                if pause is None:
                    raise
                _log.warning("%s Trying again in %.0f s.", error, pause)
            time.sleep(pause)


def _send_by_lfs(hub: Hub, shard: ShardRecord, path: Path) -> CommitOperationAdd:
    with path.open("rb") as file:
        # An open file, not its path: that is how the library is told not to use Xet.
        addition = CommitOperationAdd(shard.name, file)
        _require_same(shard, addition.upload_info.size, addition.upload_info.sha256.hex())
        with hub.cargo.carrying(file):
            send_large_files(hub, [addition])
    if addition.path_or_fileobj is file:
        raise HubError(
            f"{hub.target.repository} would keep {shard.name} inside of git: its .gitattributes do not say "
            "that *.parquet is stored by LFS. Put that line back there, then push again."
        )
    # What the branch held then would keep the shard out of a commit on top of another one.
    addition._remote_oid = None  # noqa: SLF001 - the library has no other way
    return addition


def _send_by_xet(hub: Hub, shard: ShardRecord, path: Path) -> CommitOperationAdd:
    _require_same(shard, path.stat().st_size, sha256_of(path))
    return send_by_xet(hub, shard, path)


def _require_same(shard: ShardRecord, size: int, sha256: str) -> None:
    if (size, sha256) != (shard.bytes, shard.sha256):
        raise DamagedOutputError(
            f"{shard.name} was changed after it was written: its sha256 is {sha256}, not {shard.sha256}; "
            "it was not sent. Build the pile again, then push it."
        )
