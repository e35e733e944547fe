"""The compose files of several hosts, as compose reads them; no engine is needed."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.deployment.projects import CHECKOUT, Project, why_no_compose

pytestmark = pytest.mark.skipif(why_no_compose() is not None, reason=str(why_no_compose()))

BASE = CHECKOUT / "docker-compose.yml"
DECIDED = {"SPIKEMILL_BIND": "10.0.0.5", "SPIKEMILL_STORE": "s3://lab/piles"}
REACHING_THE_STORE = {"queue", "sweeper", "downloader", "binner", "streamer", "merger", "tools", "demo"}


def first(**environment: str) -> Project:
    return Project("spikemill-first", [BASE, CHECKOUT / "compose.cluster.yml"], environment)


@pytest.fixture(scope="module")
def alone() -> Mapping[str, Any]:
    """Give the services of a single host."""
    services: Mapping[str, Any] = Project("spikemill-alone", [BASE], {}).config()["services"]
    return services


@pytest.fixture(scope="module")
def leading() -> Mapping[str, Any]:
    """Give the services of the first host."""
    services: Mapping[str, Any] = first(**DECIDED).config()["services"]
    return services


@pytest.fixture(scope="module")
def joining() -> Mapping[str, Any]:
    """Give the services of another host."""
    project = Project("spikemill-other", [CHECKOUT / "compose.worker.yml"], {})
    services: Mapping[str, Any] = project.config()["services"]
    return services


@pytest.mark.parametrize("name", DECIDED)
def test_what_is_not_decided_is_asked_for(name: str) -> None:
    refused = first(**{**DECIDED, name: ""}).attempt("config")
    assert refused.returncode != 0
    assert f"required variable {name} is missing a value" in refused.stderr


def test_postgres_and_redis_answer_at_the_one_address(leading: Mapping[str, Any]) -> None:
    ports = {
        name: [(port["host_ip"], port["published"]) for port in service["ports"]]
        for name, service in leading.items()
        if "ports" in service and name != "flower"
    }
    assert ports == {"postgres": [("10.0.0.5", "5432")], "redis": [("10.0.0.5", "6379")]}


def test_servers_are_told_on_several_hosts_what_they_are_told_on_one(
    alone: Mapping[str, Any], leading: Mapping[str, Any]
) -> None:
    for server in ("postgres", "redis"):
        command = alone[server]["command"]
        assert leading[server]["command"][: len(command)] == command


def test_servers_speak_nothing_but_tls(leading: Mapping[str, Any]) -> None:
    assert {"ssl=on", "hba_file=/run/secrets/pg_hba.conf"} <= set(leading["postgres"]["command"])
    assert {("--port", "0"), ("--tls-port", "6379")} <= set(pairwise(leading["redis"]["command"]))


def test_who_uses_the_store_reaches_it_and_has_room_on_a_disk(leading: Mapping[str, Any]) -> None:
    for name in REACHING_THE_STORE:
        service = leading[name]
        assert "outside" in service["networks"], name
        assert service["environment"]["SPIKEMILL_STORE"] == "s3://lab/piles"
        assert service["environment"]["SPIKEMILL_SCRATCH"] in {
            volume["target"] for volume in service["volumes"]
        }


def test_other_hosts_run_workers_alone(joining: Mapping[str, Any]) -> None:
    assert set(joining) == {"secrets", "downloader", "binner", "streamer"}
    for name in set(joining) - {"secrets"}:
        worker = joining[name]
        assert set(worker["depends_on"]) == {"secrets"}
        assert set(worker["networks"]) == {"outside"}
        assert {volume["target"] for volume in worker["volumes"]} == {"/run/secrets", "/spool"}
        assert worker["environment"]["SPIKEMILL_STORE"] == ""


def test_workers_of_other_hosts_see_their_own_folder_of_secrets_alone(joining: Mapping[str, Any]) -> None:
    for name in set(joining) - {"secrets"}:
        [told] = [volume for volume in joining[name]["volumes"] if volume["source"] == "secrets"]
        assert (told["volume"]["subpath"], told["read_only"]) == ("worker", True)


def test_nobody_but_the_one_shot_sees_what_hosts_are_told(
    leading: Mapping[str, Any], joining: Mapping[str, Any]
) -> None:
    for services in (leading, joining):
        seeing = {
            name
            for name, service in services.items()
            for volume in service.get("volumes", ())
            if str(volume["source"]).endswith("/join")
        }
        assert seeing == {"secrets"}


def test_workers_are_held_alike_on_all_hosts(alone: Mapping[str, Any], joining: Mapping[str, Any]) -> None:
    own = {"build", "command", "depends_on", "environment", "networks", "secrets", "volumes"}
    for name, service in joining.items():
        for key in alone[name].keys() - own:
            assert service[key] == alone[name][key], f"{name}: {key}"
        assert service["build"]["target"] == alone[name]["build"]["target"]


def test_no_setting_of_the_workers_is_lost_on_other_hosts(
    alone: Mapping[str, Any], joining: Mapping[str, Any]
) -> None:
    for name, service in joining.items():
        assert alone[name]["environment"].keys() <= service["environment"].keys()
