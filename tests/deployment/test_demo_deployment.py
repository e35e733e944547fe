"""`docker compose --profile demo up --wait` in a fresh copy of the checkout: the pile, and who may what."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spikemill.services.merger.provenance import file_sha256, pile_digest
from tests.acceptance.builds import DEMO
from tests.deployment.deployments import ask, by_service, demo, fresh_deployment, networks
from tests.deployment.projects import Project, bridge, docker, plain_user, why_no_engine

pytestmark = [
    pytest.mark.skipif(why_no_engine() is not None, reason=str(why_no_engine())),
    pytest.mark.timeout(1800),
]

OUTWARD = {"downloader", "streamer", "merger"}
SERVERS = {"postgres", "redis"}
SECRETS = {
    "postgres": {"first_password", "postgres_password", "roles.sql"},
    "redis": {"redis_password", "redis.conf"},
    "flower": {"spikemill_broker_url", "spikemill_flower_password"},
    "demo": {"spikemill_database_url"},
    **{
        name: {"spikemill_database_url", "spikemill_broker_url"}
        for name in ("sweeper", "downloader", "binner", "streamer")
    },
    "merger": {"spikemill_database_url", "spikemill_broker_url", "hub_token"},
}
HUB_TOKEN = "a-token-of-nobody-" + "0123456789" * 2
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)"
_PROCESSES = "cat /proc/*/cmdline /proc/*/environ"
_WRITABLE = "find /spikemill /opt/venv -xdev -writable -not -type l"
_TREE = """
import urllib.request
address = "http://127.0.0.1:8000/api/datasets/spikemill/demo/tree/main?recursive=true"
print(urllib.request.urlopen(address).read().decode())
"""
_UNCOMPILED = """
from importlib.util import cache_from_source
from pathlib import Path
code = list(Path("/spikemill").rglob("*.py"))
print(*[path for path in code if not Path(cache_from_source(path)).exists()] if code else ["no code"])
"""


@pytest.fixture(scope="module")
def project(open_folder: Path) -> Iterator[Project]:
    """Give the deployment when the demo's pile stands."""
    token = open_folder / "hub-token"
    token.write_text(HUB_TOKEN)
    token.chmod(0o600)
    with fresh_deployment(open_folder / "demonstration", SPIKEMILL_HUB_TOKEN_FILE=str(token)) as fresh:
        demo(fresh, "up", "--build", "--wait")
        yield fresh


@pytest.fixture(scope="module")
def containers(project: Project) -> Mapping[str, Mapping[str, Any]]:
    """Give what the engine knows of one container of each service."""
    return by_service(project)


@pytest.fixture(scope="module")
def passwords(project: Project) -> list[str]:
    """Give every password of the deployment that still is one."""
    told = project.run(
        *("run", "--rm", "--no-deps", "-T", "secrets"),
        *("sh", "-c", "cd /secrets/passwords && cat $(ls | grep -v first)"),
    ).stdout
    assert len(told.split()) >= 5
    return [*told.split(), HUB_TOKEN]


@pytest.fixture(scope="module")
def var(open_folder: Path, project: Project) -> Path:
    """Give the folder in which the pile appears."""
    assert project
    return open_folder / "demonstration" / "var"


def test_the_pile_is_that_of_make_demo(var: Path) -> None:
    assert pile_digest(var / "pile") == DEMO


def test_the_made_up_hub_has_what_stands_on_disk(project: Project, var: Path) -> None:
    told = ask(project, "SELECT hub_repository || ' ' || hub_commit FROM releases").split()
    assert told[0] == "spikemill/demo"
    known = json.loads(_exec(project, "hub", "python", "-c", _TREE).stdout)
    there = {each["path"]: each["lfs"]["oid"] for each in known if "lfs" in each}
    shards = {f"data/{path.name}": file_sha256(path) for path in (var / "pile" / "data").iterdir()}
    assert there.items() >= shards.items()
    assert told[1] in project.run("run", "--rm", "-T", "tools", "spikemill", "status").stdout


def test_the_token_of_the_hub_reaches_the_merger(project: Project) -> None:
    assert _exec(project, "merger", "cat", "/run/secrets/hub_token").stdout == HUB_TOKEN


def test_the_pile_belongs_to_the_caller(var: Path) -> None:
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in [var, *var.rglob("*")]}
    assert owners == {tuple(map(int, plain_user().values()))}


def test_only_the_demo_is_built(project: Project) -> None:
    assert ask(project, "SELECT string_agg(pile || ' ' || state, ',') FROM builds") == "demo released"


def test_everything_is_held_to_the_same(containers: Mapping[str, Mapping[str, Any]]) -> None:
    assert len(containers) == 13
    for name, container in containers.items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["Init"], name
        assert not host["Privileged"], name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert host["LogConfig"]["Config"]["max-size"], name
        if name != "secrets":
            assert not host["CapAdd"], name
            assert container["Config"]["User"].split(":")[0] not in {"", "0", "root"}, name


def test_flower_alone_is_published_and_on_this_machine_alone(
    containers: Mapping[str, Mapping[str, Any]],
) -> None:
    published = {
        (name, port["HostIp"])
        for name, container in containers.items()
        for ports in container["NetworkSettings"]["Ports"].values()
        for port in ports or ()
    }
    assert published == {("flower", "127.0.0.1")}


def test_networks_are_closed_but_one(project: Project, containers: Mapping[str, Mapping[str, Any]]) -> None:
    known = networks(project)
    assert known["inside"]["Internal"]
    assert known["front"]["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    outside = known["outside"]["Name"]
    assert {
        name for name, each in containers.items() if outside in each["NetworkSettings"]["Networks"]
    } == OUTWARD


def test_who_may_reach_out_does_and_nobody_else(project: Project) -> None:
    # Flower's network has a way to this machine, but none through it.
    asked = {"sweeper", "binner", "demo", "archive", "hub", *OUTWARD}
    try:
        server = socket.create_server((bridge(), 0))
    except OSError as error:
        pytest.skip(f"this machine is not the engine's: {error}")
    with server:
        place = [str(part) for part in server.getsockname()]
        reached = {
            name for name in asked if _exec(project, name, "python", "-c", _CONNECT, *place).returncode == 0
        }
    assert reached == OUTWARD


def test_each_service_is_told_its_own_secrets(project: Project, containers: Mapping[str, Any]) -> None:
    for name, expected in SECRETS.items():
        assert set(_exec(project, name, "ls", "/run/secrets").stdout.split()) == expected
        modes = set(_exec(project, name, "sh", "-c", "stat -c '%a %u' /run/secrets/*").stdout.splitlines())
        assert modes == {f"600 {containers[name]['Config']['User'].split(':')[0]}"}
        assert _exec(project, name, "touch", "/run/secrets/mine").returncode != 0


def test_no_password_is_seen_from_outside(
    project: Project, containers: Mapping[str, Mapping[str, Any]], passwords: list[str]
) -> None:
    images = sorted({str(container["Image"]) for container in containers.values()})
    seen = "".join(
        (
            json.dumps(project.containers()),
            json.dumps(project.config()),
            docker("image", "inspect", *images).stdout,
            *(
                docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
                for image in images
            ),
            demo(project, "logs"),
            *(_exec(project, name, "sh", "-c", _PROCESSES).stdout for name in SECRETS),
        )
    )
    assert "spikemill.services.sweeper" in seen
    assert "PGDATA=" in seen
    assert not [password for password in passwords if password in seen]


def test_postgres_asks_everybody_for_a_password(project: Project) -> None:
    rules = "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"
    assert ask(project, rules) == "scram-sha-256"
    assert ask(project, "SHOW data_checksums") == "on"
    assert ask(project, "SELECT rolsuper FROM pg_roles WHERE rolname = 'spikemill'") == "f"


def test_the_password_that_postgres_began_with_opens_nothing(project: Project) -> None:
    login = 'PGPASSWORD=$(cat "/run/secrets/$0") psql -h 127.0.0.1 -U postgres -d spikemill -c "SELECT 1"'
    codes = [
        _exec(project, "postgres", "sh", "-c", login, name).returncode
        for name in ("postgres_password", "first_password")
    ]
    assert codes[0] == 0
    assert codes[1] != 0


def test_who_reads_the_ledger_cannot_hold_its_locks(project: Project) -> None:
    for user, may in (("reader", "f"), ("spikemill", "t")):
        allowed = f"SELECT has_function_privilege('{user}', 'pg_advisory_xact_lock(bigint)', 'EXECUTE')"
        assert ask(project, allowed) == may


def test_redis_keeps_nothing_forgets_nothing_and_asks_for_a_password(project: Project) -> None:
    said = _exec(project, "redis", "redis-cli", "ping")
    assert "NOAUTH" in said.stdout + said.stderr
    known = 'export REDISCLI_AUTH=$(cat /run/secrets/redis_password); redis-cli config get "$0"'
    for setting, value in (("maxmemory-policy", "noeviction"), ("save", ""), ("appendonly", "no")):
        assert _exec(project, "redis", "sh", "-c", known, setting).stdout.split("\n")[1] == value


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["status", "--watch"], "the pile stands"),
        (["tokens"], "61,380,000"),
        (["retry"], "Nothing had failed"),
        (["verify", "var/pile"], "is whole"),
    ],
)
def test_the_command_works_beside_it(project: Project, command: list[str], said: str) -> None:
    assert said in project.run("run", "--rm", "-T", "tools", "spikemill", *command).stdout


def test_sources_can_be_planned(project: Project) -> None:
    archive = "http://archive.spikemill:8000"
    apis = [f"--env=SPIKEMILL_DANDI_API={archive}/api", f"--env=SPIKEMILL_FIGSHARE_API={archive}/v2"]
    planned = project.run(
        "run", "--rm", "-T", *apis, "tools", "spikemill", "plan", "--catalog", "demo"
    ).stdout
    assert re.search(r"total +29 +15 ", planned)


def test_images_hold_compiled_code_that_nobody_writes_and_nothing_that_builds(
    containers: Mapping[str, Mapping[str, Any]],
) -> None:
    ours = {str(container["Image"]) for name, container in containers.items() if name not in SERVERS}
    for image in ours:
        inside = ("run", "--rm", "--network=none", "--user=4321:4321", image)
        assert docker(*inside, "sh", "-c", _WRITABLE).stdout == ""
        assert docker(*inside, "python", "-c", _UNCOMPILED).stdout.split() == []
        assert docker(*inside, "sh", "-c", "command -v uv gcc make git").stdout == ""


def test_starting_again_changes_nothing(project: Project, var: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in var.rglob("*") if path.is_file()}
    demo(project, "up", "--wait")
    assert {path: path.lstat().st_mtime_ns for path in before} == before


def _exec(project: Project, service: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return project.attempt("--profile", "demo", "exec", "-T", service, *command)
