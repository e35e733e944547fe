"""Shards by Xet: only the parts that the hub lacks travel.

`huggingface_hub` would do it too, but it does not say how many bytes travelled, and may wait for a silent
server for ever.
"""

import time
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from hf_xet import XetConfig, XetSession
from huggingface_hub import CommitOperationAdd
from huggingface_hub.utils import build_hf_headers

from services.common.errors import NetworkError
from services.merger.hub.client import Hub
from services.merger.hub.failures import told_failures
from services.merger.hub.patience import Patience
from services.merger.hub.stored import stored_addition
from services.merger.provenance import ShardRecord


def send_by_xet(hub: Hub, shard: ShardRecord, path: Path) -> CommitOperationAdd:
    """Bring a shard, whose sha256 was seen to be right, to the storage; return what adds it to a commit.

    Raises `NetworkError` where the storage is away or silent, `HubError` where it says no.
    """
    with told_failures(hub.target):
        session = XetSession(_config(hub.patience))
        upload = session.new_upload_commit(**_door(hub))
        with _Watch(upload, hub.patience):
            upload.start_upload_file(str(path), sha256=shard.sha256)
            report = upload.wait_to_finish()
    hub.cargo.took(report.dedup_metrics.total_bytes_uploaded)
    return stored_addition(shard)


def _config(patience: Patience) -> XetConfig:
    """Return what else would be read from the environment when the library is loaded."""
    return XetConfig().with_config(
        {
            "client.connect_timeout": timedelta(seconds=patience.connect),
            "client.read_timeout": timedelta(seconds=patience.silence),
            "client.retry_max_attempts": patience.tries - 1,
            "client.retry_base_delay": timedelta(seconds=patience.first_pause),
            # A push that is killed goes on after the last block that arrived.
            "data.session_xorb_metadata_flush_max_count": 1,
            "telemetry.enabled": False,
        }
    )


def _door(hub: Hub) -> dict[str, Any]:
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

    def __init__(self, upload: Any, patience: Patience) -> None:
        self._upload = upload
        self._limit = patience.tries * (patience.silence + patience.longest_pause)
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
