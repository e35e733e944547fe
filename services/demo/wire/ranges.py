"""Which bytes of a file a request asks for."""

import re

from services.demo.wire.messages import Request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def requested_span(request: Request, etag: str, size: int) -> range | None:
    """Return the bytes that the request wants: None for all of them, an empty range for none that exist.

    `etag` is the file's, with its quotes. Several ranges at once, or a form that is not understood, get all
    of them.
    """
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    return range(int(first), min(int(last) + 1, size) if last else size)
