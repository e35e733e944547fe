"""What a storage may do wrong to one request."""

import re
from collections.abc import Callable
from dataclasses import replace

from tests.servers.fault_storage.server import Fault, Handler, Reply, right_reply


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status; headers are named with underscores."""
    return lambda handler: handler.send(Reply(code, body=body).with_headers(**headers))


def cut_after(count: int) -> Fault:
    """Answer rightly, and break the connection after so many bytes of the body, from its end if negative."""
    return lambda handler: handler.send(right_reply(handler), cut=count)


def raw(sent: bytes) -> Fault:
    """Send these bytes, which need not be a whole answer, and break the connection."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(sent)
        handler.close_connection = True

    return answer


def stall_after(count: int) -> Fault:
    """Answer rightly, but say nothing more after so many bytes of the body."""

    def answer(handler: Handler) -> None:
        handler.send(right_reply(handler), cut=count)
        handler.hold()

    return answer


def silent(handler: Handler) -> None:
    """Say nothing at all."""
    handler.hold()


def altered(change: Callable[[Reply], Reply]) -> Fault:
    """Answer with something else made of the right answer."""
    return lambda handler: handler.send(change(right_reply(handler)))


def with_headers(**headers: str | None) -> Fault:
    """Answer rightly but for some headers, which are named with underscores."""
    return altered(lambda reply: reply.with_headers(**headers))


def shifted(start: int = 0, stop: int = 0, size: int = 0) -> Fault:
    """Answer rightly, but with a Content-Range whose numbers are off by these."""

    def shift(reply: Reply) -> Reply:
        numbers = [int(number) for number in re.findall(r"\d+", reply.headers["Content-Range"])]
        first, last, total = map(sum, zip(numbers, (start, stop, size), strict=True))
        return reply.with_headers(Content_Range=f"bytes {first}-{last}/{total}")

    return altered(shift)


def with_body(body: bytes) -> Fault:
    """Answer with the right headers, but for the length, and something else in place of the content."""
    return altered(lambda reply: replace(reply, body=body))


def unmeasured(more: bytes = b"") -> Fault:
    """Answer rightly, but do not say how long the answer is, and add some bytes at its end."""

    def answer(handler: Handler) -> None:
        reply = right_reply(handler)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.send_body(reply.body + more)
        handler.close_connection = True

    return answer


def longer(handler: Handler) -> None:
    """Answer rightly, but with more bytes than were asked for."""
    reply = right_reply(handler)
    handler.send(replace(reply, body=reply.body + b"more"))


def whole(handler: Handler) -> None:
    """Answer with the whole object, whatever part was asked for."""
    reply = right_reply(handler)
    handler.send(
        replace(reply, status=200, body=handler.server.storage.content).with_headers(Content_Range=None)
    )


def changed_to(etag: str) -> Fault:
    """Become another object before the answer."""

    def answer(handler: Handler) -> None:
        handler.server.storage.etag = etag
        handler.send(right_reply(handler))

    return answer


def expired(handler: Handler) -> None:
    """Let all links run out before the answer."""
    handler.server.storage.expire_links()
    handler.send(right_reply(handler))
