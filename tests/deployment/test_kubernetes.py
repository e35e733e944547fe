"""The manifests for Kubernetes: by its own schemas, held to the same as compose, about metrics that exist."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from spikemill.services.common.ledger.monitoring import Gauges
from spikemill.services.common.settings import Settings
from spikemill.services.sweeper.metrics import families_of
from tests.deployment.projects import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "kubernetes"
FILES = ("spikemill.yaml", "queue.yaml", "scaling.yaml")
# Oldest and newest; what stands between them knows both.
VERSIONS = ("1.29", "1.37")
KEDA = "keda.sh/v1alpha1"
# What a ScaledObject of KEDA 2 may say; its schema comes in no package.
SCALED = {"advanced", "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers"}
SELECTOR = re.compile(r'(\w+)\{queue="([\w-]+)"\}')


def objects(*names: str) -> Sequence[Mapping[str, Any]]:
    """Return what files hold, lists taken apart."""
    documents = [each for name in names for each in yaml.safe_load_all((FOLDER / name).read_text())]
    return [item for each in documents for item in each.get("items", [each])]


def of_kind(*kinds: str) -> Mapping[str, Mapping[str, Any]]:
    """Return all objects of some kinds, by the component that they are."""
    label = "app.kubernetes.io/component"
    return {each["metadata"]["labels"][label]: each for each in objects(*FILES) if each["kind"] in kinds}


def pod(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    [only] = pod(workload)["containers"]
    found: Mapping[str, Any] = only
    return found


WORKLOADS = of_kind("Deployment", "Job")
DEPLOYMENTS = of_kind("Deployment")
SCALINGS = of_kind("ScaledObject")


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("component", WORKLOADS)
def test_it_is_of_the_form_that_kubernetes_knows(component: str, kubernetes: str) -> None:
    assert kubernetes_validate.validate(WORKLOADS[component], kubernetes, strict=True) == kubernetes


def test_form_that_kubernetes_does_not_know_is_seen() -> None:
    wrong = {**WORKLOADS["binner"], "spec": {**WORKLOADS["binner"]["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on PATH")
def test_kubectl_reads_what_we_read(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "spikemill.yaml", tmp_path)
    (tmp_path / "kustomization.yaml").write_text("resources: [spikemill.yaml]\n")
    told = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, check=True)  # noqa: S607
    read = {each["metadata"]["name"]: each for each in yaml.safe_load_all(told.stdout)}
    assert read == {each["metadata"]["name"]: each for each in objects("spikemill.yaml")}


def test_every_service_that_compose_builds_is_there() -> None:
    assert WORKLOADS.keys() == {"migrate", "sweeper", "downloader", "binner", "streamer", "merger", "queue"}


@pytest.mark.parametrize("component", WORKLOADS)
def test_every_pod_is_held_to_the_same(component: str) -> None:
    workload = WORKLOADS[component]
    of_pod, of_container = pod(workload)["securityContext"], container(workload)["securityContext"]
    assert not pod(workload)["automountServiceAccountToken"]
    assert of_pod["runAsNonRoot"]
    assert of_pod["runAsUser"] > 0
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = container(workload)["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]


def test_no_secret_is_contained() -> None:
    assert "Secret" not in {each["kind"] for each in objects(*FILES)}
    named = {
        each["name"]: each["secret"]["secretName"]
        for of in WORKLOADS.values()
        for each in pod(of)["volumes"]
        if "secret" in each
    }
    assert named == {"secrets": "spikemill", "hub": "spikemill-hub"}
    mounted = {
        name
        for name, of in WORKLOADS.items()
        if "hub" in {each["name"] for each in container(of)["volumeMounts"]}
    }
    assert mounted == {"merger"}


def test_settings_bear_the_names_that_the_code_knows() -> None:
    known = {f"SPIKEMILL_{name.upper()}" for name in Settings.model_fields} | {"HF_HOME", "HF_TOKEN_PATH"}
    assert {each["name"] for of in WORKLOADS.values() for each in container(of).get("env", ())} <= known


def test_images_are_those_of_this_version() -> None:
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    for workload in WORKLOADS.values():
        image = re.fullmatch(r"registry\.example\.org/spikemill-(\w+):(.+)", container(workload)["image"])
        assert image is not None
        assert f" AS {image[1]}\n" in dockerfile
        assert image[2] == version("spikemill")


def test_streamer_is_started_as_compose_starts_it() -> None:
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    assert container(DEPLOYMENTS["streamer"])["command"] == compose["streamer"]["command"]


@pytest.mark.parametrize("component", DEPLOYMENTS)
def test_health_asks_for_progress(component: str) -> None:
    asked = "sweeper" if component == "sweeper" else "worker"
    for probe in ("startupProbe", "livenessProbe"):
        command = container(DEPLOYMENTS[component])[probe]["exec"]["command"]
        assert command == ["python", "-m", "spikemill.services.common.worker.health", asked]
    heartbeat_file = {"name": "SPIKEMILL_HEARTBEAT_FILE", "value": "/tmp/heartbeat"}  # noqa: S108
    assert heartbeat_file in container(DEPLOYMENTS[component])["env"]


@pytest.mark.parametrize("component", sorted(DEPLOYMENTS.keys() - {"sweeper"}))
def test_worker_has_time_to_end_its_job(component: str) -> None:
    patience = Settings.model_fields["stop_patience"].default.total_seconds()
    assert pod(DEPLOYMENTS[component])["terminationGracePeriodSeconds"] > patience


@pytest.mark.parametrize("component", sorted(WORKLOADS.keys() - {"queue"}))
def test_what_passes_through_lies_on_a_disk(component: str) -> None:
    volumes = {each["name"]: each for each in pod(WORKLOADS[component])["volumes"]}
    mounts = {
        each["mountPath"]: volumes[each["name"]] for each in container(WORKLOADS[component])["volumeMounts"]
    }
    assert mounts["/scratch"]["emptyDir"] == {}
    assert "secret" in mounts["/run/secrets"]
    assert mounts["/tmp"]["emptyDir"]["medium"] == "Memory"  # noqa: S108


@pytest.mark.parametrize("component", SCALINGS)
def test_scaling_names_a_deployment_that_leaves_its_number_open(component: str) -> None:
    scaling = SCALINGS[component]
    assert scaling["apiVersion"] == KEDA
    assert scaling["spec"].keys() <= SCALED
    deployment = DEPLOYMENTS[component]
    assert scaling["spec"]["scaleTargetRef"] == {"name": deployment["metadata"]["name"]}
    assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize(("component", "queue"), [("binner", "bin"), ("streamer", "bin-stream")])
def test_scaling_asks_for_metrics_that_the_sweeper_exports(component: str, queue: str) -> None:
    [trigger] = SCALINGS[component]["spec"]["triggers"]
    asked = SELECTOR.findall(trigger["metadata"]["query"])
    assert asked == [("spikemill_queue_ready_jobs", queue), ("spikemill_queue_running_jobs", queue)]
    empty = Gauges(jobs=(), ready=(), sources=(), tokens=(), attempts=(), traffic=(), last_round=None)
    exported = {
        (sample.name, sample.labels.get("queue"))
        for family in families_of(empty)
        for sample in family.samples
    }
    assert set(asked) <= exported
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
