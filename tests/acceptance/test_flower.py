"""Flower beside a build that runs, in a real browser: with the password all is seen, without it nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from flower.urls import handlers
from playwright.sync_api import Browser, HttpCredentials, Page, Response, expect
from playwright.sync_api import Error as PlaywrightError
from tornado.routing import URLSpec

from spikemill.services.flower.__main__ import REFUSAL
from spikemill.services.flower.health import authorization
from standins.archive.content import ArchiveFile, MadeUpArchive
from tests.acceptance.browsers import chromium
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.processes import eventually
from tests.acceptance.running_builds import RunningBuild
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short

_NAME, _PASSWORD, _WRONG = "spikemill", "a-word-for-flower", "a-wrong-word"
_PICTURES = "SPIKEMILL_PICTURES"
_AT = re.compile(r"Flower at (http://\S+)")


@dataclass(frozen=True)
class Watched:
    """A build that runs, and where Flower shows it."""

    build: RunningBuild
    address: str


@contextmanager
def flower(broker_url: str, log: Path) -> Iterator[str]:
    """Run Flower beside a broker, and give its address."""
    environment = {
        "SPIKEMILL_BROKER_URL": broker_url,
        "SPIKEMILL_FLOWER_PASSWORD": _PASSWORD,
        "SPIKEMILL_FLOWER_PORT": "0",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "spikemill.services.flower"],
            env={**os.environ, **environment},
            stderr=output,
        )
    try:
        found = eventually(lambda: _AT.search(log.read_text()))
        yield found[1]
    finally:
        process.terminate()
        assert process.wait() == 0, log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run one browser for these tests."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def watched(
    new_place: NewPlace, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """Give a build that Flower has watched from its first message on; its last session keeps it running."""
    files = [asset(short(f"s{number}", "day"), recordings) for number in range(4)]
    files.insert(0, ArchiveFile("sub-s/sub-s_ses-odd.nwb", b"This is not a recording."))
    copied = [asset(short("c", "day"), recordings)]
    place: Place = new_place(
        MadeUpArchive([dandiset("990701", files), dandiset("990702", copied)]),
        dandi_source("maze", "990701", fetch="stream"),
        dandi_source("cage", "990702"),
    )
    with (
        place.archive.hold("/versions/[^/]+/assets/") as listing,
        place.archive.hold(rf"^/storage/.*{files[-1].blob_id}") as last,
        place.building("--workers", "2") as build,
        flower(build.broker_url(), tmp_path_factory.mktemp("flower") / "log") as address,
    ):
        listing.wait_until_reached()
        eventually(lambda: len(workers(address)) == 4)
        listing.release()
        last.wait_until_reached()
        build.until(lambda: len(build.ledger.jobs("stream", "done")) == 3)
        yield Watched(build, address)
        last.release()


def workers(address: str) -> dict[str, object]:
    """Return the workers that Flower knows."""
    answer = httpx.get(f"{address}/api/workers", auth=(_NAME, _PASSWORD), params={"status": True})
    found: dict[str, object] = answer.raise_for_status().json()
    return found


@contextmanager
def page_of(browser: Browser, address: str, password: str | None) -> Iterator[Page]:
    """Open a page of somebody who knows this password."""
    credentials: HttpCredentials | None = {"username": _NAME, "password": password} if password else None
    context = browser.new_context(
        base_url=address, http_credentials=credentials, viewport={"width": 1680, "height": 670}
    )
    yield context.new_page()
    context.close()


def until_seen(page: Page, path: str, look: Callable[[], None]) -> None:
    """Load a page until a look finds all on it: it shows what Flower has heard by then."""

    def is_seen() -> bool:
        # Flower knows the queues of the workers that answered when it asked last.
        page.goto("/workers?refresh=1")
        page.goto(path)
        try:
            look()
        except AssertionError:
            return False
        return True

    assert eventually(is_seen)


def test_a_person_logs_in_and_sees_workers_and_a_finished_task(
    browser: Browser, watched: Watched, tmp_path: Path
) -> None:
    [done, *_] = watched.build.ledger.jobs("stream", "done")

    def look_at_workers() -> None:
        for service in ("downloader@", "binner@", "streamer@", "merger@"):
            expect(page.get_by_role("link", name=f"Worker {service}")).to_be_visible()

    def look_at_tasks() -> None:
        row = page.get_by_role("row").filter(has_text=f"· job {done['id']}")
        for text in ("spikemill.stream", "maze · sub-s", "_ses-day", "SUCCESS", "'done'", "streamer@"):
            expect(row).to_contain_text(text)
        failed = page.get_by_role("row").filter(has_text="maze · sub-s/sub-s_ses-odd")
        expect(failed).to_contain_text("failed: sub-s/sub-s_ses-odd.nwb")

    with page_of(browser, watched.address, _PASSWORD) as page:
        until_seen(page, "/", look_at_workers)
        until_seen(page, "/tasks", look_at_tasks)
        picture = Path(os.environ.get(_PICTURES, tmp_path)) / "flower.png"
        page.screenshot(path=picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_queues_are_seen(browser: Browser, watched: Watched) -> None:
    def look_at_queues() -> None:
        for queue in ("plan", "fetch", "bin", "bin-stream", "merge"):
            expect(page.get_by_role("cell", name=queue, exact=True)).to_be_visible()

    with page_of(browser, watched.address, _PASSWORD) as page:
        until_seen(page, "/broker", look_at_queues)


@pytest.mark.parametrize("password", [None, _WRONG])
def test_without_the_password_a_browser_shows_nothing(
    browser: Browser, watched: Watched, password: str | None
) -> None:
    statuses: list[int] = []

    def note(answer: Response) -> None:
        statuses.append(answer.status)

    with page_of(browser, watched.address, password) as page:
        page.on("response", note)
        for path in ("/", "/tasks", "/broker", "/metrics", "/healthcheck", "/login", "/none"):
            # Where nobody answers its question for a password, Chromium shows no page at all.
            with suppress(PlaywrightError):
                page.goto(path)
            assert page.locator("body").inner_text().strip() in {"", REFUSAL.strip()}
    assert len(statuses) >= 7
    assert set(statuses) == {401}


def every_path() -> list[str]:
    """Return a path for everything that Flower answers, and one for what it does not."""
    patterns = [handler.regex.pattern if isinstance(handler, URLSpec) else handler[0] for handler in handlers]
    return [re.sub(r"\(\.[+*]\)|\.\*", "x", pattern).rstrip("$/?") or "/" for pattern in patterns]


@pytest.mark.parametrize("password", [None, "", _WRONG, f"{_PASSWORD} "])
def test_without_the_password_nothing_is_answered(watched: Watched, password: str | None) -> None:
    paths = every_path()
    assert {"/", "/metrics", "/healthcheck", "/api/workers", "/static/x", "/login"} <= set(paths)
    said = {} if password is None else {"Authorization": authorization(f"{_NAME}:{password}")}
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with httpx.Client(base_url=watched.address, headers=said) as client:
        for path in paths:
            for method, headers in (("GET", {}), ("POST", {}), ("OPTIONS", {}), ("GET", upgrade)):
                answer = client.request(method, path, headers=headers)
                assert (answer.status_code, answer.text) == (401, REFUSAL), (method, path)
                assert answer.headers["WWW-Authenticate"] == 'Basic realm="spikemill"'


def test_even_with_the_password_nothing_can_be_pressed(watched: Watched) -> None:
    with httpx.Client(base_url=watched.address, auth=(_NAME, _PASSWORD)) as client:
        [worker, *_] = workers(watched.address)
        for path in (
            f"worker/shutdown/{worker}",
            f"worker/queue/cancel-consumer/{worker}?queue=plan",
            "task/send-task/spikemill.plan",
            "task/revoke/x?terminate=true",
        ):
            assert client.post(f"/api/{path}", json={"args": [1]}).status_code == 403, path
    assert workers(watched.address)[worker]


def test_it_is_healthy_while_it_answers_and_only_then(watched: Watched) -> None:
    port = watched.address.rpartition(":")[2]
    assert health(port) == (0, "Flower answers, and the broker answers it.\n")
    status, said = health(port, SPIKEMILL_FLOWER_PASSWORD=_WRONG)
    assert (status, "401" in said) == (1, True)
    status, said = health("1")
    assert (status, "Connection refused" in said) == (1, True)


def health(port: str, **environment: str) -> tuple[int, str]:
    """Run the health check of Flower at a port."""
    known = {"SPIKEMILL_FLOWER_PASSWORD": _PASSWORD, "SPIKEMILL_FLOWER_PORT": port}
    ended = subprocess.run(
        [sys.executable, "-m", "spikemill.services.flower.health"],
        env={**os.environ, **known, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def test_without_a_password_it_does_not_begin() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "spikemill.services.flower"],
        env={**os.environ, "SPIKEMILL_BROKER_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "set SPIKEMILL_FLOWER_PASSWORD, or write it into /run/secrets/" in line
