"""docker-compose.yml as it is written: what holds of every service, and what it says of our settings."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ByteSize, TypeAdapter

from spikemill.services.common.settings import Settings
from tests.deployment.projects import CHECKOUT, Project, why_no_compose

FILE = CHECKOUT / "docker-compose.yml"
ROOT = "secrets"
SERVERS = {"postgres", "redis"}
OF_CONTAINERS = {"SPIKEMILL_UID", "SPIKEMILL_GID"}


@pytest.fixture(scope="module")
def services() -> Mapping[str, Mapping[str, Any]]:
    """Give the services as the file has them, its variables as they stand there."""
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return found


def folders_of_secrets(service: Mapping[str, Any]) -> set[str]:
    """Return which folders of the volume of secrets a service mounts; an empty name is the whole of it."""
    mounted = service.get("volumes", ())
    short = {"" for each in mounted if isinstance(each, str) and each.startswith("secrets:")}
    long = [each for each in mounted if isinstance(each, dict) and each["source"] == "secrets"]
    assert all(each["read_only"] for each in long)
    return short | {each.get("volume", {}).get("subpath", "") for each in long}


def test_it_is_of_the_form_that_compose_files_have() -> None:
    command = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([command, "--builtin-schema", "vendor.compose-spec", FILE], check=True)


@pytest.mark.skipif(why_no_compose() is not None, reason=str(why_no_compose()))
def test_compose_reads_it_on_an_untouched_checkout() -> None:
    assert "services" in Project("spikemill-read", [FILE], {}).config()


def test_every_service_is_held_to_the_same(services: Mapping[str, Mapping[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["init"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        assert service["logging"]["options"]["max-size"], name
        assert "privileged" not in service, name


def test_one_service_runs_as_root_without_a_network(services: Mapping[str, Mapping[str, Any]]) -> None:
    assert [name for name, service in services.items() if service["user"].startswith("0")] == [ROOT]
    assert [name for name, service in services.items() if "cap_add" in service] == [ROOT]
    assert services[ROOT]["network_mode"] == "none"


def test_flower_alone_is_published_and_on_this_machine_alone(
    services: Mapping[str, Mapping[str, Any]],
) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"flower": ["127.0.0.1:${SPIKEMILL_FLOWER_PORT:-5555}:5555"]}


def test_only_two_images_come_from_elsewhere_and_their_versions_are_named(
    services: Mapping[str, Mapping[str, Any]],
) -> None:
    images = {name: service["image"] for name, service in services.items() if "build" not in service}
    assert images.keys() == SERVERS
    assert all(re.fullmatch(r"[a-z]+:[0-9]+(-[a-z]+)?", image) for image in images.values())


def test_what_runs_on_says_whether_it_is_well(services: Mapping[str, Mapping[str, Any]]) -> None:
    for name, service in services.items():
        if "restart" in service:
            assert service["healthcheck"]["test"], name


def test_somebody_waits_for_what_ends_by_itself(services: Mapping[str, Mapping[str, Any]]) -> None:
    # Else `docker compose up --wait` would take its end for a failure. The demo itself stays when it is done.
    ending = {name for name, service in services.items() if not service.keys() & {"restart", "profiles"}}
    awaited = {
        needed
        for service in services.values()
        for needed, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert ending == awaited == {"secrets", "queue"}


def test_command_asks_for_no_build_of_its_own(services: Mapping[str, Mapping[str, Any]]) -> None:
    assert services["tools"]["depends_on"].keys() == {"postgres"}
    assert "spikemill.services.common.migrate" in " ".join(services["tools"]["entrypoint"])


def test_each_service_sees_its_own_folder_of_secrets_alone(
    services: Mapping[str, Mapping[str, Any]],
) -> None:
    seen = {name: folders for name, service in services.items() if (folders := folders_of_secrets(service))}
    assert seen.pop(ROOT) == {""}
    workers = {name: {"worker"} for name in ("sweeper", "downloader", "binner", "streamer")}
    own = {name: {name} for name in ("postgres", "redis", "queue", "merger", "flower")}
    assert seen == {**workers, **own, "tools": {"ledger"}, "demo": {"ledger"}}


def test_settings_bear_the_names_that_the_code_knows(services: Mapping[str, Mapping[str, Any]]) -> None:
    known = {f"SPIKEMILL_{name.upper()}" for name in Settings.model_fields} | OF_CONTAINERS
    for service in services.values():
        named = {name for name in service.get("environment", {}) if name.startswith("SPIKEMILL_")}
        assert named <= known


def test_no_password_stands_in_it(services: Mapping[str, Mapping[str, Any]]) -> None:
    for service in services.values():
        secret = [
            name for name in service.get("environment", {}) if re.search("PASSWORD|TOKEN|SECRET|_URL", name)
        ]
        assert all(name.endswith(("_FILE", "_PATH")) for name in secret)


def test_a_worker_gives_its_jobs_back_before_it_is_killed(services: Mapping[str, Mapping[str, Any]]) -> None:
    assert services["binner"]["stop_grace_period"] == "2m"
    assert services["binner"]["environment"]["SPIKEMILL_STOP_PATIENCE"] == "PT100S"


def test_a_process_runs_out_of_memory_before_its_container_does(
    services: Mapping[str, Mapping[str, Any]],
) -> None:
    for name in ("binner", "streamer", "merger"):
        limit = TypeAdapter(ByteSize).validate_python(f"{_default(services[name]['mem_limit'])}ib")
        own = int(_default(services[name]["environment"]["SPIKEMILL_WORKER_MEMORY_BYTES"]))
        assert 0 < limit - own <= 2**29, name


def test_each_of_our_services_logs_in_the_form_that_is_asked_for(
    services: Mapping[str, Mapping[str, Any]],
) -> None:
    silent = {"secrets", "archive", "hub"}
    for name in services.keys() - SERVERS - silent:
        assert "SPIKEMILL_LOG_FORMAT" in services[name]["environment"], name


def _default(text: str) -> str:
    """Return what a text comes to where nothing is set."""
    return re.sub(r"\$\{\w+:?-(.*?)\}", r"\1", text)
