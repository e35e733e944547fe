"""Pages of a listing as DANDI cuts them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from services.demo.wire.messages import Answer, Request, json_answer

_DEFAULT_SIZE = 100
_LARGEST_SIZE = 1000
Item = TypeVar("Item")


def dandi_page(
    request: Request, items: Sequence[Item], describe: Callable[[Item], Any], *, is_asset_list: bool = False
) -> Answer:
    """Answer with the page that the request names.

    A list of assets gives its count on the first page only, and empty results past the end; other lists
    always give it, and are 404 past the end. A size above 1,000 is cut to it silently.
    """
    number, size = _number(request), _size(request)
    past_the_end = number is not None and number > 1 and (number - 1) * size >= len(items)
    if number is None or (past_the_end and not is_asset_list):
        return json_answer({"detail": "Invalid page."}, HTTPStatus.NOT_FOUND)
    document = {
        "count": len(items) if number == 1 or not is_asset_list else None,
        "next": request.url(page=number + 1) if number * size < len(items) else None,
        "previous": request.url(page=number - 1) if number > 1 else None,
        "results": [describe(item) for item in items[(number - 1) * size : number * size]],
    }
    return json_answer(document)


def _number(request: Request) -> int | None:
    """Return the page's number, counted from 1, or None where it is none."""
    number = request.query.get("page", "1")
    return int(number) if number.isdecimal() and int(number) else None


def _size(request: Request) -> int:
    size = request.query.get("page_size", "")
    return min(int(size), _LARGEST_SIZE) if size.isdecimal() and int(size) else _DEFAULT_SIZE
