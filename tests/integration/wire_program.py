"""A port that leads to the unix socket that is its argument; stopped, it falls silent without closing."""

import socket
import sys
import threading
from contextlib import suppress


def carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until an end closes."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - the test reads it
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(sys.argv[1])
        for ends in ((client, server), (server, client)):
            threading.Thread(target=carry, args=ends, daemon=True).start()
