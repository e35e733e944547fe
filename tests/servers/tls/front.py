"""TLS before a server that speaks none: a loopback port whose connections go on to a unix socket."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from threading import Thread

_PIECE = 1 << 16


@contextmanager
def tls_front(certificate: Path, behind: Path) -> Iterator[int]:
    """Serve for as long as the block lasts, and give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ready: Queue[int] = Queue()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()
    thread = Thread(target=loop.run_until_complete, args=[_serve(context, behind, ready, end)])
    thread.start()
    try:
        yield ready.get(timeout=30)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


async def _serve(context: ssl.SSLContext, behind: Path, ready: "Queue[int]", end: asyncio.Event) -> None:
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(asyncio.CancelledError):
            await _join(reader, writer, behind)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    ready.put(server.sockets[0].getsockname()[1])
    await end.wait()
    server.close()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections)


async def _join(reader: StreamReader, writer: StreamWriter, behind: Path) -> None:
    answers, questions = await asyncio.open_unix_connection(behind)
    try:
        await asyncio.gather(_carry(reader, questions), _carry(answers, writer))
    finally:
        # A farewell under TLS would be waited for.
        for each in (questions, writer):
            each.transport.abort()


async def _carry(reader: StreamReader, writer: StreamWriter) -> None:
    """Carry bytes one way until it ends, and let the other side know."""
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()
