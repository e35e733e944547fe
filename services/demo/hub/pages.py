"""Lists that come in pages."""

from collections.abc import Sequence
from typing import Any

from services.demo.hub.refusals import refusal
from services.demo.wire.messages import Answer, Request, json_answer


def page(request: Request, entries: Sequence[dict[str, Any]], size: int) -> Answer:
    """Answer with one page of a list, and with where the next one is."""
    cursor = request.query.get("cursor", "0")
    if not cursor.isdecimal():
        raise refusal(400, f"No page begins at {cursor}.")
    following = int(cursor) + size
    answer = json_answer(entries[int(cursor) : following])
    if following >= len(entries):
        return answer
    link = f'<{request.url(cursor=following)}>; rel="next"'
    return Answer(answer.status, answer.body, {**answer.headers, "Link": link})
