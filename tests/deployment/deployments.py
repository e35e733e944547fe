"""The deployment of one host in a fresh copy of this checkout, and what can be done to it and asked of it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deployment.projects import CHECKOUT, Project, docker, gone_afterwards, own_name, plain_user

_POLL = 0.2
_PATIENCE = 600.0
_AS_SUPERUSER = (
    "PGPASSWORD=$(cat /run/secrets/postgres_password) "
    "psql --host 127.0.0.1 --username postgres --dbname spikemill "
    '--quiet --no-align --tuples-only --command "$0"'
)


@contextmanager
def fresh_deployment(folder: Path, **environment: str) -> Iterator[Project]:
    """Give a deployment that was never started; nothing of it is left at the end but its folder."""
    ignored = (CHECKOUT / ".gitignore").read_text().split()
    left = shutil.ignore_patterns(".git", *(name.rstrip("/") for name in ignored))
    shutil.copytree(CHECKOUT, folder, symlinks=True, ignore=left)
    settings = {**plain_user(), "SPIKEMILL_FLOWER_PORT": "0", **environment}
    with gone_afterwards(
        Project(own_name(folder.name), [folder / "docker-compose.yml"], settings)
    ) as project:
        yield project


def demo(project: Project, *arguments: str) -> str:
    """Run `docker compose --profile demo` to a good end, and return what it said."""
    return project.run("--profile", "demo", *arguments).stdout


def ask(project: Project, query: str, *options: str) -> str:
    """Ask the ledger; returns an empty text while Postgres is away."""
    return project.attempt(
        "exec", "-T", *options, "postgres", "sh", "-c", _AS_SUPERUSER, query
    ).stdout.strip()


def kill_all_in(project: Project, service: str) -> None:
    """Kill every process of a service's container, as if it had never been told to stop."""
    project.attempt("exec", "-T", service, "sh", "-c", "kill -KILL -1")


def slow_down(project: Project, service: str) -> None:
    """Give a service's first container so little of the processors that its jobs last."""
    docker("update", "--cpus", "0.1", by_service(project)[service]["Id"])


def until(condition: Callable[[], object]) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(_POLL)


def by_service(project: Project) -> Mapping[str, Mapping[str, Any]]:
    """Return what the engine knows of the first container of each service."""
    labelled = [(each["Config"]["Labels"], each) for each in project.containers()]
    return {
        labels["com.docker.compose.service"]: each
        for labels, each in labelled
        if labels["com.docker.compose.container-number"] == "1"
    }


def leftovers(project: Project) -> Sequence[str]:
    """Return every container, volume and network of the project that is still there."""
    of_project = ("--filter", f"label=com.docker.compose.project={project.name}", "--quiet")
    listings = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
    return [line for listing in listings for line in docker(*listing, *of_project).stdout.split()]


def networks(project: Project) -> Mapping[str, Mapping[str, Any]]:
    """Return the project's networks as the engine knows them."""
    names = docker(
        "network",
        "ls",
        "--filter",
        f"label=com.docker.compose.project={project.name}",
        "--format",
        "{{.Name}}",
    ).stdout.split()
    known = json.loads(docker("network", "inspect", *names).stdout) if names else []
    return {each["Labels"]["com.docker.compose.network"]: each for each in known}
