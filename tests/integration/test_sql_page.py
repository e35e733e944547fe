"""Each query of the page is right about a ledger of a finished and a half-finished build."""

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import text

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import NetworkError, RecordingError
from spikemill.services.common.ledger import dispatch
from spikemill.services.common.ledger.recordings import count_transfer
from spikemill.services.common.models import JobKind
from spikemill.services.common.process import process_exit_of
from tests.integration import ledgers

_PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"
_BLOCK = re.compile(
    r"^### (?P<title>.+?)\n\n(?P<sentence>.+?)\n\n```sql\n(?P<query>.+?)```", re.MULTILINE | re.DOTALL
)
QUERIES: Mapping[str, str] = {block["title"]: block["query"] for block in _BLOCK.finditer(_PAGE.read_text())}
Answer = Sequence[Mapping[str, Any]]


def copied_and_published() -> None:
    """Bring the pile `old` to its end: two copied sessions of a hundred bytes, one of which tests."""
    source = replace(ledgers.source("copied"), expected={"tokens": 80})
    ledgers.ask(sources=[source], pile="old", push=ledgers.target())
    ledgers.plan(ledgers.listing("copied", 2))
    ledgers.complete()
    ledgers.publish(shards=2)
    ledgers.push("c0ffee")
    with transaction() as ledger:
        ledger.execute(text("UPDATE shards SET split = 'test' WHERE name LIKE '%00001%'"))
        for asset in ledgers.assets():
            count_transfer(ledger, asset.id, arrived=100, requests=0)


def half_streamed() -> None:
    """Bring the pile `new` half way: of six sessions that are streamed two are done, and one is dead."""
    ledgers.ask("streamed", pile="new", fetch="stream")
    ledgers.plan(ledgers.listing("streamed", 6))
    ledgers.sweep_once()
    for number, job in enumerate(ledgers.ready(JobKind.STREAM)):
        claimed = ledgers.claim(job.id)
        if number < 2:
            ledgers.finish(claimed, ledgers.streamed(claimed, clipped=3 * number, left_out=5 * number))
        elif number == 2:
            ledgers.fail(claimed, RecordingError("streamed-2.nwb: no units table"))
        elif number == 3:
            ledgers.fail(claimed, NetworkError("503"))
        elif number == 4:
            ledgers.set_job(job.id, lease_worker="dead")
            with transaction() as ledger:
                dispatch.expire_worker(ledger, "dead", process_exit_of(-signal.SIGKILL))
    with transaction() as ledger:
        for asset in ledgers.assets()[2:4]:
            count_transfer(ledger, asset.id, arrived=7, requests=3)


def rows(answer: Answer, *columns: str) -> list[tuple[Any, ...]]:
    """Return some columns of an answer."""
    return [tuple(row[column] for column in columns) for row in answer]


def tokens(answer: Answer) -> None:
    assert rows(answer, "pile", "source", "sessions", "tokens", "expected_tokens", "percent") == [
        ("new", "streamed", 2, 40, None, None),
        ("old", "copied", 2, 40, 80, 50),
    ]


def tokens_per_hour(answer: Answer) -> None:
    assert sum(row["sessions"] for row in answer) == 4
    assert sum(row["tokens"] for row in answer) == 80


def time_left(answer: Answer) -> None:
    assert rows(answer, "pile", "left_over", "last_hour", "time_left") == [
        ("new", "300 bytes", "200 bytes", timedelta(hours=1.5))
    ]


def running(answer: Answer) -> None:
    assert rows(answer, "kind", "source", "file", "attempt") == [
        ("stream", "streamed", "sub-5/streamed-5.nwb", 1)
    ]
    assert answer[0]["for_so_long"] < timedelta(minutes=10)


def failed(answer: Answer) -> None:
    assert sorted(rows(answer, "error_class", "state", "jobs", "sources", "said")) == [
        ("NetworkError", "ready", 1, ["streamed"], "503"),
        ("RecordingError", "dead", 1, ["streamed"], "streamed-2.nwb: no units table"),
        ("Vanished", "ready", 1, ["streamed"], answer_of_the_killed(answer)),
    ]


def answer_of_the_killed(answer: Answer) -> str:
    [said] = [row["said"] for row in answer if row["error_class"] == "Vanished"]
    assert said.endswith("its process was killed, probably for memory (SIGKILL).")
    return str(said)


def killed(answer: Answer) -> None:
    assert rows(answer, "source", "session", "kind") == [("streamed", "sub-4/streamed-4.nwb", "stream")]
    assert "SIGKILL" in answer[0]["error"]


def retries(answer: Answer) -> None:
    assert rows(answer, "archive", "api", "failures", "last_error") == [("dandi", "http://archive", 2, "503")]


def slowest(answer: Answer) -> None:
    assert sorted(rows(answer, "source", "kind", "tokens", "bytes_downloaded")) == [
        ("copied", "bin", 20, 100),
        ("copied", "bin", 20, 100),
        ("streamed", "stream", 20, 7),
        ("streamed", "stream", 20, 7),
    ]
    took = [row["took"] for row in answer]
    assert took == sorted(took, reverse=True)
    assert timedelta(0) < took[-1]


def fetched(answer: Answer) -> None:
    assert rows(answer, "source", "way", "files", "bytes", "bytes_downloaded", "percent", "requests") == [
        ("copied", "bin", 2, 200, 200, 100, 0),
        ("streamed", "stream", 2, 200, 14, 7, 6),
    ]


def clipped(answer: Answer) -> None:
    assert rows(
        answer,
        "source",
        "session",
        "clipped_cells",
        "clipped_per_million",
        "dropped_spikes",
        "percent_left_out",
    ) == [("streamed", "sub-1/streamed-1.nwb", 3, 150_000, 5, 50)]


def on_test_side(answer: Answer) -> None:
    [(pile, source, subject, session, count)] = rows(
        answer, "pile", "source", "subject_id", "session_id", "rows"
    )
    assert (pile, source, count) == ("old", "copied", 1)
    assert (subject, session) in {(each.subject_id, each.session_id) for each in ledgers.sessions()}


def on_the_hub(answer: Answer) -> None:
    assert rows(answer, "pile", "hub_repository", "hub_revision", "hub_commit") == [
        ("old", "lab/pile", "main", "c0ffee")
    ]


def chunks(answer: Answer) -> None:
    assert sorted(rows(answer, "source", "chunks", "size", "bits_per_token")) == [
        ("copied", 2, "80 bytes", 16),
        ("streamed", 2, "80 bytes", 16),
    ]


ANSWERS: Mapping[str, Callable[[Answer], None]] = {
    "Tokens per source": tokens,
    "Tokens per hour": tokens_per_hour,
    "Time left": time_left,
    "What runs": running,
    "What failed, and why": failed,
    "What was killed": killed,
    "Retries per archive and hour": retries,
    "The slowest sessions": slowest,
    "Bytes fetched": fetched,
    "Clipped cells and spikes left out": clipped,
    "Which sessions test": on_test_side,
    "What is on the hub": on_the_hub,
    "Room that chunks take": chunks,
}


def ask(address: str, title: str) -> Answer:
    with psycopg.connect(address, row_factory=dict_row) as connection:
        return connection.execute(QUERIES[title].encode()).fetchall()


def test_every_query_of_the_page_has_an_answer_here() -> None:
    assert list(QUERIES) == list(ANSWERS)
    queries = _PAGE.read_text().partition("\n## The ledger in SQL\n")[2]
    assert queries.count("```sql") == len(QUERIES)


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_gives_the_right_answer(title: str, ledger: str) -> None:
    copied_and_published()
    half_streamed()
    ANSWERS[title](ask(ledger, title))


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_of_an_empty_ledger_gives_nothing(title: str, ledger: str) -> None:
    assert ask(ledger, title) == []
