"""Shards on their way to the hub, by LFS or by Xet; those that it has are not read again."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from hf_xet import XetConfig, XetSession
from huggingface_hub import CommitOperationAdd
from huggingface_hub.lfs import UploadInfo, post_lfs_batch_info
from huggingface_hub.utils import build_hf_headers

from spikemill.services.common.errors import DamagedOutputError, HubError, NetworkError
from spikemill.services.common.files import sha256_of
from spikemill.services.common.hub_target import Transfer
from spikemill.services.merger.hub.client import Hub, RequestLimits
from spikemill.services.merger.hub.errors import UploadError, translate_errors
from spikemill.services.merger.hub.repository import DATASET, send_large_files
from spikemill.services.merger.provenance import ShardRecord, StoredPile

# What the library itself asks for at once.
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ShardStep:
    """A shard that the hub has now: its number, the total, and the bytes sent for it (0: the hub had it)."""

    name: str
    number: int
    of: int
    sent_bytes: int


def send_shard(hub: Hub, pile: StoredPile, shard: ShardRecord, transfer: Transfer) -> CommitOperationAdd:
    """Bring a shard to the hub, where it is not there yet, and return what adds it to a commit.

    Raises `DamagedOutputError` where it is not the one of the provenance: nothing of it is sent then.
    """
    send = {Transfer.LFS: _send_by_lfs, Transfer.XET: send_by_xet}[transfer]
    with pile.local(shard.name) as path:
        failures = 0
        while True:
            try:
                return send(hub, shard, path)
            except UploadError as error:
                failures += 1
                hub.backoff.wait(failures, error)


def _send_by_lfs(hub: Hub, shard: ShardRecord, path: Path) -> CommitOperationAdd:
    with path.open("rb") as file:
        # An open file, not its path: so the library does not use Xet.
        addition = CommitOperationAdd(shard.name, file)
        _require_same(shard, addition.upload_info.size, addition.upload_info.sha256.hex())
        with hub.counter.sending(file):
            send_large_files(hub, [addition])
    if addition.path_or_fileobj is file:
        raise HubError(
            f"{hub.target.repository} would keep {shard.name} inside of git: its .gitattributes do not say "
            "that *.parquet is stored by LFS. Put that line back there, then push again."
        )
    # Otherwise a commit on top of another one would leave out a shard that the branch held then.
    addition._remote_oid = None  # noqa: SLF001 - the library has no other way
    return addition


def _require_same(shard: ShardRecord, size: int, sha256: str) -> None:
    if (size, sha256) != (shard.bytes, shard.sha256):
        raise DamagedOutputError(
            f"{shard.name} was changed after it was written: its sha256 is {sha256}, not {shard.sha256}; "
            "it was not sent. Build the pile again, then push it."
        )


def stored_shards(hub: Hub, shards: Sequence[ShardRecord]) -> Collection[str]:
    """Return the names of those that an interrupted push, or an older one, brought to the storage of LFS."""
    stored: set[str] = set()
    for start in range(0, len(shards), _AT_ONCE):
        asked = shards[start:][:_AT_ONCE]
        with translate_errors(hub.target):
            answers, _, _ = post_lfs_batch_info(
                [_upload_info(shard) for shard in asked],
                token=hub.api.token,  # type: ignore[arg-type]  # the library passes False on, too
                repo_type=DATASET,
                repo_id=hub.target.repository,
                revision=quote(hub.target.revision, safe=""),
                endpoint=hub.target.endpoint,
            )
        held = {answer["oid"] for answer in answers if answer.get("actions") is None}
        stored.update(shard.name for shard in asked if shard.sha256 in held)
    return stored


def stored_addition(shard: ShardRecord) -> CommitOperationAdd:
    """Return what adds a shard that the storage already has; the library has no public way to say so."""
    addition = CommitOperationAdd(shard.name, b"")
    addition.upload_info = _upload_info(shard)
    addition._upload_mode = "lfs"  # noqa: SLF001
    addition._is_uploaded = True  # noqa: SLF001
    return addition


def _upload_info(shard: ShardRecord) -> UploadInfo:
    return UploadInfo(size=shard.bytes, sample=b"", sha256=bytes.fromhex(shard.sha256))


def send_by_xet(hub: Hub, shard: ShardRecord, path: Path) -> CommitOperationAdd:
    """Send a shard to the storage; return what adds it to a commit.

    Raises `NetworkError` where the storage is away or silent, `HubError` where it says no.
    """
    _require_same(shard, path.stat().st_size, sha256_of(path))
    with translate_errors(hub.target):
        session = XetSession(_config(hub.backoff))
        upload = session.new_upload_commit(**_address(hub))
        with _Watch(upload, hub.backoff):
            upload.start_upload_file(str(path), sha256=shard.sha256)
            report = upload.wait_to_finish()
    hub.counter.add(report.dedup_metrics.total_bytes_uploaded)
    return stored_addition(shard)


def _config(backoff: RequestLimits) -> XetConfig:
    """Return what else would be read from the environment when the library is loaded."""
    return XetConfig().with_config(
        {
            "client.connect_timeout": timedelta(seconds=backoff.connect),
            "client.read_timeout": timedelta(seconds=backoff.silence),
            "client.retry_max_attempts": backoff.tries - 1,
            "client.retry_base_delay": timedelta(seconds=backoff.first_pause),
            # A push that is killed goes on after the last block that arrived.
            "data.session_xorb_metadata_flush_max_count": 1,
            "telemetry.enabled": False,
        }
    )


def _address(hub: Hub) -> dict[str, Any]:
    """Return where the storage is to be asked for, with the token that only the hub itself is shown."""
    api, target = hub.api, hub.target
    revision = quote(target.revision, safe="")
    headers = build_hf_headers(
        token=False, library_name=api.library_name, library_version=api.library_version
    )
    token = {"authorization": f"Bearer {api.token}"} if api.token else {}
    return {
        "token_refresh_url": f"{target.endpoint}/api/datasets/{target.repository}/xet-write-token/{revision}",
        "token_refresh_headers": headers | token,
        "custom_headers": headers,
    }


class _Watch:
    """Ends an upload that failed, or makes no progress for as long as all tries of a request may take."""

    def __init__(self, upload: Any, backoff: RequestLimits) -> None:
        self._upload = upload
        self._limit = backoff.tries * (backoff.silence + backoff.longest_pause)
        self._over = Event()
        self._is_silent = False
        self._thread = Thread(target=self._look, name="xet-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._is_silent:
            raise NetworkError(f"The Xet storage was silent for {self._limit:.0f} s.") from error
        if error is not None:
            self._upload.abort()

    def _look(self) -> None:
        seen, since = self._signs(), time.monotonic()
        while not self._over.wait(min(1.0, self._limit / 10)):
            signs = self._signs()
            if signs != seen:
                seen, since = signs, time.monotonic()
            elif time.monotonic() - since > self._limit:
                self._is_silent = True
                self._upload.abort()
                return

    def _signs(self) -> tuple[int, int]:
        progress = self._upload.progress()
        return progress.total_bytes_completed, progress.total_transfer_bytes_completed
