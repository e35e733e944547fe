"""Projects of docker compose, for tests: each with its own name and home, and nothing is left of it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
# What `subpath` of a volume needs.
_OLDEST = (2, 26, 0)
_PLAIN_USER = 1000


@cache
def why_no_compose() -> str | None:
    """Say why compose files cannot be read here, if so."""
    if shutil.which("docker") is None:
        return "there is no docker on PATH"
    told = docker("compose", "version", "--short")
    version = tuple(map(int, re.findall(r"\d+", told.stdout)[:3]))
    if told.returncode != 0 or version < _OLDEST:
        return f"docker compose is older than {'.'.join(map(str, _OLDEST))}, or not there"
    return None


@cache
def why_no_engine() -> str | None:
    """Say why no container can be run here, if so."""
    if (reason := why_no_compose()) is not None:
        return reason
    return None if docker("info").returncode == 0 else "no engine of Docker can be reached"


def bridge() -> str:
    """Return the address of this machine that containers of every network reach."""
    form = "{{(index .IPAM.Config 0).Gateway}}"
    return docker("network", "inspect", "bridge", "--format", form).stdout.strip()


def docker(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `docker` in the checkout, without the caller's own settings."""
    return subprocess.run(
        ["docker", *arguments],  # noqa: S607 - wherever it is
        cwd=CHECKOUT,
        env={**_bare_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Project:
    """A deployment of this checkout."""

    name: str
    files: Sequence[Path]
    environment: Mapping[str, str]

    def config(self) -> Any:
        """Return what compose makes of the files, with all profiles."""
        return json.loads(self.run("--profile", "*", "config", "--format", "json").stdout)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose` on it; raises AssertionError with what it said where it fails."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr
        return done

    def attempt(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose` on it."""
        named = [part for file in self.files for part in ("--file", str(file))]
        return docker(
            *("compose", "--project-name", self.name, "--progress", "quiet", *named, *arguments),
            **self.environment,
        )

    def containers(self) -> Sequence[Mapping[str, Any]]:
        """Return all its containers as the engine knows them, those that ended too."""
        ids = self.run("--profile", "*", "ps", "--all", "--quiet").stdout.split()
        found: Sequence[Mapping[str, Any]] = json.loads(docker("inspect", *ids).stdout)
        return found


@contextmanager
def gone_afterwards(project: Project) -> Iterator[Project]:
    """Remove the project's containers, networks, volumes and images at the end."""
    try:
        yield project
    finally:
        project.run(
            "--profile", "*", "down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "1"
        )


def own_name(name: str) -> str:
    """Return a project's name that no other run of the tests has on the same engine."""
    return f"spikemill-{name}-{os.getpid()}"


def plain_user() -> Mapping[str, str]:
    """Return the settings that let containers run as the caller, or as somebody else than root."""
    uid, gid = (os.getuid(), os.getgid()) if os.getuid() else (_PLAIN_USER, _PLAIN_USER)
    return {"SPIKEMILL_UID": str(uid), "SPIKEMILL_GID": str(gid)}


def _bare_environment() -> Mapping[str, str]:
    """Return the environment without settings of the caller, those of a `.env` included."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPIKEMILL_", "COMPOSE_"))
    }
    return {**kept, "COMPOSE_DISABLE_ENV_FILE": "1"}
