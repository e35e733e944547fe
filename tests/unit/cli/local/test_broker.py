"""The broker, started for real."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from kombu.connection import Connection

from spikemill.services.cli.local.broker import find_broker, running_broker, socket_folder
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Interrupts, Supervisor
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings

Eventually = Callable[[Callable[[], bool]], None]


def server_process(socket: Path) -> int:
    """Return the process of the server, or 0 while it is away."""
    with redis.Redis(unix_socket_path=str(socket)) as client:
        try:
            return int(client.info("server")["process_id"])
        except redis.RedisError:
            return 0


def test_messages_go_through_and_a_killed_broker_comes_back_empty(home: Home, eventually: Eventually) -> None:
    with (
        socket_folder(home, None) as sockets,
        running_broker(home, sockets, Supervisor("b1", Interrupts())) as url,
    ):
        connected = Connection(url)  # type: ignore[no-untyped-call] # kombu has no types
        with connected as connection, connection.SimpleQueue("bin") as queue:
            queue.put({"job": 7})
            assert queue.get().payload == {"job": 7}
            queue.put({"job": 8})
        socket = sockets / "broker.sock"
        killed = server_process(socket)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: server_process(socket) not in {0, killed})
        with redis.Redis(unix_socket_path=str(socket)) as client:
            assert client.dbsize() == 0
    assert not sockets.exists()


def test_the_broker_listens_on_its_socket_only_and_refuses_to_forget(home: Home) -> None:
    with (
        socket_folder(home, None) as sockets,
        running_broker(home, sockets, Supervisor("b1", Interrupts())),
        redis.Redis(unix_socket_path=str(sockets / "broker.sock")) as client,
    ):
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}


def test_the_wheel_is_found_where_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_broker().name == "valkey-server"


def test_a_server_that_celery_cannot_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=00000000:0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("SPIKEMILL_BROKER_BIN", str(old))
    settings.cache_clear()
    with pytest.raises(CallError, match=r"SPIKEMILL_BROKER_BIN=.* at least 6\.2"):
        find_broker()
