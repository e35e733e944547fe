"""A pile on its way to the hub: `build --push` with real workers, and `push` by hand."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from huggingface_hub import HfApi, RepoFile

from spikemill.services.common.models import JobKind
from spikemill.services.common.worker.kinds import task_name
from standins.archive.content import MadeUpArchive
from standins.hub.kinds import Kind
from standins.hub.server import HubServer, serve_hub
from tests.acceptance.builds import NewPlace, Place, pile_of
from tests.acceptance.celery_events import heard
from tests.acceptance.processes import kill
from tests.acceptance.running_builds import RunningBuild
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short, write_catalogue
from tests.harness.forked_programs import Finished

REPOSITORY = "lab/small"
PUBLISHED = "SELECT hub_repository, hub_revision, hub_commit FROM releases WHERE state = 'published'"
SOURCE = dandi_source("maze", "990101")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """Give an empty hub."""
    with serve_hub(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def anonymous(hub: HubServer, tmp_path: Path) -> Mapping[str, str]:
    """Give the environment of a person whom the hub knows nothing of."""
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "login"), "HF_TOKEN": ""}


@pytest.fixture(scope="session")
def archived(new_place: NewPlace, recordings: Path) -> Place:
    """Give a place whose archive holds six sessions, and which nobody builds in."""
    files = [asset(short(f"m{number}", "a"), recordings) for number in range(6)]
    return new_place(MadeUpArchive([dandiset("990101", files)], []), SOURCE)


@pytest.fixture
def empty(archived: Place, anonymous: Mapping[str, str]) -> Place:
    """Give a home in which nothing was built yet."""
    return replace(archived, folder=another_folder(archived), environment=anonymous)


@pytest.fixture(scope="session")
def built(archived: Place) -> Place:
    """Build the pile once, for all who only push it; the archive's address is part of what was built."""
    place = replace(archived, folder=another_folder(archived))
    place.must_build()
    return place


@pytest.fixture
def place(built: Place, anonymous: Mapping[str, str]) -> Place:
    """Give a home of one's own in which the pile stands."""
    copied = another_folder(built)
    # With the owners: Postgres takes no other's files.
    subprocess.run(["cp", "-a", built.folder, copied], check=True)  # noqa: S607
    return replace(built, folder=copied, environment=anonymous)


def another_folder(place: Place) -> Path:
    return place.folder.with_name(f"home-{uuid4().hex[:8]}")


def api(hub: HubServer) -> HfApi:
    return HfApi(hub.url, token=False)


def dataset(hub: HubServer) -> dict[str, str]:
    """Return the sha256 of every shard of the dataset, by name."""
    tree = api(hub).list_repo_tree(REPOSITORY, "data", repo_type="dataset")
    return {file.path: file.lfs.sha256 for file in tree if isinstance(file, RepoFile) and file.lfs}


def commits(hub: HubServer) -> list[str]:
    """Return the commits of the dataset, but for the one that made it."""
    found = api(hub).list_repo_commits(REPOSITORY, repo_type="dataset")
    return [commit.commit_id for commit in found][:-1]


def shards(place: Place) -> dict[str, str]:
    return {name: sha256 for name, sha256 in pile_of(place.home).items() if name.startswith("data/")}


def published(place: Place) -> dict[str, str]:
    """Return what the ledger knows of the one release that stands."""
    with place.ledger() as ledger:
        [row] = ledger.rows(PUBLISHED)
    return row


def must_push(place: Place, *options: str) -> Finished:
    finished = place.build("--push", REPOSITORY, *options)
    assert finished.returncode == 0, finished
    return finished


def test_a_build_is_pushed_once_and_everybody_is_told_where(empty: Place, hub: HubServer) -> None:
    place = empty
    first = must_push(place)
    assert dataset(hub) == shards(place)
    [commit] = commits(hub)
    address = f"{hub.url}/datasets/{REPOSITORY}/commit/{commit}"
    assert first.stdout.endswith(f"Pushed to {REPOSITORY}: {address}\n")
    assert api(hub).dataset_info(REPOSITORY).private
    assert published(place) == {
        "hub_repository": REPOSITORY,
        "hub_revision": "main",
        "hub_commit": commit,
    }

    hub.forget_requests()
    again = must_push(place)
    assert again.stdout.endswith(f"Pushed to {REPOSITORY}: {address}\n")
    assert {entry.method for entry in hub.requests()} == {"GET"}

    assert f"\nHub: {REPOSITORY}, branch main: {address}\n" in place.ask("status").stdout
    build = json.loads(place.status_text())["build"]
    assert (build["hub"]["repository"], build["hub"]["revision"], build["hub_commit"]) == (
        REPOSITORY,
        "main",
        commit,
    )

    by_hand = place.run("push", str(place.home.pile), REPOSITORY)
    *steps, last, where = by_hand.stdout.splitlines()
    assert sorted(steps) == sorted(f"{name}: there already" for name in shards(place)), by_hand
    assert (last, where) == (f"Nothing to do: {REPOSITORY} at {hub.url} is this pile already.", address)
    assert commits(hub) == [commit]
    assert hub.requests(Kind.UPLOAD) == hub.requests(Kind.COMMIT) == []


def test_a_pile_that_stands_is_pushed_by_hand_and_its_ledger_knows(place: Place, hub: HubServer) -> None:
    call = ("push", str(place.home.pile), REPOSITORY, "--public", "--revision", "next")
    preview = place.run(*call, "--dry-run")
    assert preview.returncode == 0, preview
    assert all(f"send    {name} (" in preview.stdout for name in shards(place))
    assert preview.stdout.endswith("as far as can be seen without a token. Nothing was changed.\n")
    assert not api(hub).repo_exists(REPOSITORY, repo_type="dataset")

    done = place.run(*call)
    assert done.returncode == 0, done
    assert all(f"{name}: " in done.stdout for name in shards(place))
    assert (
        f"{REPOSITORY}@next at {hub.url} is this pile now: {len(shards(place))} shards sent," in done.stdout
    )
    known = published(place)
    assert done.stdout.splitlines()[-1].endswith(known["hub_commit"])
    assert (known["hub_repository"], known["hub_revision"]) == (REPOSITORY, "next")
    assert not api(hub).dataset_info(REPOSITORY).private
    hub.forget_requests()
    assert place.build("--push", REPOSITORY, "--revision", "next").returncode == 0
    assert {entry.method for entry in hub.requests()} == {"GET"}


def test_a_push_that_the_hub_refuses_says_what_to_do_and_goes_on_when_it_is_retried(
    place: Place, hub: HubServer
) -> None:
    hub.fail(Kind.COMMIT, status=403, body=b'{"error": "You may only read."}', times=None)
    refused = place.build("--push", REPOSITORY)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"small: Your token has no right to write to {REPOSITORY}"), refused
    assert f"(to try it again: spikemill retry --home {place.folder})" in refused.stderr
    assert f"The pile stands in {place.home.pile}, but it is not pushed to {REPOSITORY}." in refused.stdout
    assert f"Hub: to be pushed to {REPOSITORY}, branch main" in place.ask("status").stdout

    hub.heal()
    assert place.ask("retry").stdout.startswith("1 failure sent back.")
    hub.forget_requests()
    must_push(place)
    assert dataset(hub) == shards(place)
    assert hub.requests(Kind.UPLOAD) == []


def test_what_may_not_be_published_is_refused_before_anything_is_asked(
    empty: Place, hub: HubServer, tmp_path: Path
) -> None:
    catalogue = write_catalogue(tmp_path / "kept.toml", SOURCE | {"redistributable": False})
    place = replace(empty, catalogue=catalogue)
    for refused in (
        place.build("--push", REPOSITORY),
        place.run("queue", "--catalog", str(place.catalogue), "--push", REPOSITORY),
    ):
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("maze: the catalogue does not say redistributable = true")
    assert not place.folder.exists()
    assert hub.requests() == []


@pytest.mark.parametrize(("name", "kind"), [("data/train-00000", "shard"), ("provenance", "assemble")])
def test_what_was_damaged_is_made_again_before_it_is_pushed(
    place: Place, hub: HubServer, name: str, kind: str
) -> None:
    pile = pile_of(place.home)
    name = next(file for file in pile if file.startswith(name))
    content = bytearray((place.home.pile / name).read_bytes())
    content[100] ^= 0xFF
    (place.home.pile / name).write_bytes(content)
    must_push(place)
    assert pile_of(place.home) == pile
    assert dataset(hub) == shards(place)
    with place.ledger() as ledger:
        assert [job["kind"] for job in ledger.jobs() if job["rebuild_count"]] == [kind]


@pytest.mark.chaos
def test_a_hub_that_fails_for_a_while_is_waited_for_and_nothing_comes_twice(
    place: Place, hub: HubServer
) -> None:
    """First within the push, then by the ledger as long as the hub asks, then by Celery's short tries."""
    hub.fail(Kind.COMMIT, status=503)
    hub.fail(Kind.COMMIT, status=429, retry_after=3600)
    hub.fail(Kind.COMMIT, status=200, body=b"<html>", applied=True)
    with hub.hold(Kind.TAG) as last, pushing(place) as build:
        [job] = build.until(lambda: waiting(build))
        assert "429" in job["error"]
        with heard(build.broker_url()) as hearing:
            build.ledger.change("UPDATE jobs SET not_before = clock_timestamp() WHERE kind = 'publish'")
            last.wait_until_reached()
            [task] = build.until(lambda: hearing.tasks(task_name(JobKind.PUBLISH), job["id"]))
            assert build.until(lambda: [told for told in hearing.of(task) if told["type"] == "task-retried"])
        last.release()
        assert build.end() == 0
    with place.ledger() as ledger:
        assert list(ledger.outcomes("publish").values()) == [["failed", "failed", "done"]]
    assert len(hub.requests(Kind.COMMIT)) == 3
    assert dataset(hub) == shards(place)
    assert commits(hub) == [published(place)["hub_commit"]]


def waiting(build: RunningBuild) -> list[dict[str, Any]]:
    """Return the push, once it failed and waits."""
    return [job for job in build.ledger.jobs("publish", "ready") if job["outcomes"] == ["failed"]]


@pytest.mark.chaos
def test_a_build_that_is_cancelled_while_it_is_pushed_commits_nothing(place: Place, hub: HubServer) -> None:
    with hub.hold(Kind.UPLOAD) as held, pushing(place) as build:
        held.wait_until_reached()
        assert build.find("merger")
        assert not build.find("downloader"), "there is nothing to list or to copy"
        assert place.ask("cancel").stdout == "1 build cancelled.\n"
        assert build.end() == 1
    assert commits(hub) == []
    assert place.home.pile.exists()


@pytest.mark.chaos
@pytest.mark.parametrize(("kind", "applied"), [(Kind.UPLOAD, False), (Kind.COMMIT, True)])
def test_a_publisher_that_is_killed_is_followed_by_another_and_nothing_comes_twice(
    place: Place, hub: HubServer, kind: Kind, *, applied: bool
) -> None:
    with hub.hold(kind, applied=applied) as held, pushing(place) as build:
        held.wait_until_reached()
        [job] = build.ledger.jobs("publish", "running")
        kill(int(str(job["lease_owner"]).rsplit(":", 2)[1]))
        held.release()
        assert build.end() == 0
    assert dataset(hub) == shards(place)
    assert commits(hub) == [published(place)["hub_commit"]]


@pytest.mark.chaos
def test_a_build_that_is_killed_while_it_is_pushed_goes_on_with_the_push(
    place: Place, hub: HubServer
) -> None:
    with hub.hold(Kind.COMMIT) as held, pushing(place) as build:
        held.wait_until_reached()
        said = place.ask("status").stdout
        build.kill_everything()
    count = len(shards(place))
    assert f"pushing to {REPOSITORY}: {count} of {count} shards are there\n" in said
    hub.forget_requests()
    must_push(place)
    assert commits(hub) == [published(place)["hub_commit"]]
    assert hub.requests(Kind.UPLOAD) == []


def pushing(place: Place) -> AbstractContextManager[RunningBuild]:
    return place.building("--push", REPOSITORY)
