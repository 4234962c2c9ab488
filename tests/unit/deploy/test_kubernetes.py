"""The manifests: kustomize builds each overlay, Kubernetes knows every field, and what they name is there."""

import importlib
import re
import shutil
import time
from functools import cache
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml

from broker.config import Http, Settings, variables
from broker.health import Health, serve
from broker.metrics import Metrics
from tests.support.deployed import BUILT_HERE, DEPLOY, image_environment, parsed, ran, settings_of, tool

FOLDER = DEPLOY / "kubernetes"
README = (FOLDER / "README.md").read_text()
PLACES = ("base", *sorted(f"overlays/{folder.name}" for folder in (FOLDER / "overlays").iterdir()))
KUBERNETES = "1.37"
OPERATORS = {"PodMonitor", "ScaledObject"}  # of operators, whose schemas no package brings
SECRET = {"MISWEEPER_REDIS__URL": "redis://valkey:6379/0"}  # what the README's secret has at least
PORT = Http.model_fields["port"].default


@cache
def built(place: str) -> list[dict[str, Any]]:
    """What is applied of it."""
    return list(yaml.safe_load_all(ran(tool("kubectl"), "kustomize", str(FOLDER / place))))


def the(kind: str, place: str = "base") -> dict[str, Any]:
    (found,) = (one for one in built(place) if one["kind"] == kind)
    return found


def pod(place: str = "base") -> dict[str, Any]:
    found: dict[str, Any] = the("Deployment", place)["spec"]["template"]["spec"]
    return found


def container(place: str = "base") -> dict[str, Any]:
    (found,) = pod(place)["containers"]
    return found


def settings(place: str = "base") -> Settings:
    """The configuration of a pod."""
    direct = {e["name"]: e.get("value", "misweeper-5d8f-abcde") for e in container(place)["env"]}
    return settings_of(image_environment() | the("ConfigMap", place)["data"] | SECRET | direct)


@pytest.fixture(scope="module")
def kubernetes():
    """Knows Kubernetes' fields; asked for by name, as its import takes every process that collects tests a second."""
    return importlib.import_module("kubernetes_validate")


@pytest.mark.parametrize("place", PLACES)
def test_kubernetes_knows_every_field(place, kubernetes):
    kinds = {one["kind"] for one in built(place)}
    assert kinds >= {"Deployment", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap", "PodMonitor"}
    for one in built(place):
        if one["kind"] not in OPERATORS:
            kubernetes.validate(one, KUBERNETES, strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_seen(kubernetes):
    wrong = the("PodDisruptionBudget") | {"spec": {"maxUnavailible": 1}}
    with pytest.raises(kubernetes.ValidationError, match="maxUnavailible"):
        kubernetes.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("place", PLACES)
def test_a_pods_variables_are_settings(place):
    named = {e["name"] for e in container(place)["env"]} | set(the("ConfigMap", place)["data"])
    assert named <= set(variables())
    assert settings(place).worker == "misweeper-5d8f-abcde"
    assert settings(place).http.host == "0.0.0.0"


def test_the_readmes_variables_are_settings():
    assert "MISWEEPER_REDIS__URL" in README
    assert set(re.findall(r"MISWEEPER_[A-Z_]+[A-Z]", README)) <= set(variables())


@pytest.mark.parametrize("place", PLACES)
def test_the_configuration_and_the_secret_that_a_pod_reads_are_those_that_are_made(place):
    first, second = container(place)["envFrom"]
    assert first == {"configMapRef": {"name": the("ConfigMap", place)["metadata"]["name"]}}
    assert second == {"secretRef": {"name": "misweeper"}}
    assert "kubectl create secret generic misweeper " in README
    assert [one for one in built(place) if one["kind"] == "Secret"] == []


@pytest.mark.parametrize("place", PLACES)
def test_a_pod_has_no_right_that_it_does_not_need(place):
    """Kubernetes' own profile `restricted`, and a root that is read-only."""
    spec, rights = pod(place)["securityContext"], container(place)["securityContext"]
    assert (spec["runAsNonRoot"], spec["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert rights == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(place)["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(pod(place))
    assert [mount["mountPath"] for mount in container(place)["volumeMounts"]] == ["/tmp"]
    assert all(set(volume) == {"name", "emptyDir"} for volume in pod(place)["volumes"])


@pytest.mark.parametrize("place", PLACES)
def test_a_pods_image_is_one_that_the_dockerfile_says_how_to_build(place):
    assert container(place)["image"] == f"misweeper:{'cuda' if place.endswith('gpu') else 'cpu'}"
    assert container(place)["image"] in BUILT_HERE
    assert parsed(container(place)["args"]).info_name == "run"


def test_every_probe_and_the_monitor_ask_a_page_that_there_is():
    probes = [container()[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    (monitor,) = the("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert {probe["port"] for probe in probes} | {monitor["port"]} == {port["name"] for port in container()["ports"]}
    metrics = Metrics()
    server = serve(Health(metrics, time.monotonic), metrics, "127.0.0.1", 0)
    try:
        for path in {probe["path"] for probe in probes} | {monitor["path"]}:
            assert answered(f"http://127.0.0.1:{server.server_port}{path}") in (200, 503)
    finally:
        server.shutdown()
        server.server_close()


def answered(url: str) -> int:
    try:
        with urlopen(url, timeout=10) as answer:
            status: int = answer.status
            return status
    except HTTPError as error:
        return error.code


def test_the_port_is_the_one_that_misweeper_answers_on():
    assert [port["containerPort"] for port in container()["ports"]] == [PORT]
    assert the("NetworkPolicy")["spec"]["ingress"][0]["ports"] == [{"port": PORT, "protocol": "TCP"}]
    assert settings().http.port == PORT


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "PodMonitor"])
def test_selectors_choose_the_pods(kind):
    labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert the(kind)["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_prometheus_calls_its_job_as_the_rules_do():
    label = the("PodMonitor")["spec"]["jobLabel"]
    assert the("Deployment")["spec"]["template"]["metadata"]["labels"][label] == "misweeper"


def test_the_network_lets_a_pod_reach_the_servers_it_is_told_of():
    open_to = [
        range(p["port"], p.get("endPort", p["port"]) + 1)
        for r in the("NetworkPolicy")["spec"]["egress"]
        for p in r["ports"]
    ]
    wanted = [settings().kafka.bootstrap_servers, *re.findall(r"://[^/\s]+:\d+", README), "valkey:6379"]
    for server in wanted:
        assert any(int(server.rpartition(":")[2]) in ports for ports in open_to), server


@pytest.mark.parametrize("place", PLACES)
def test_there_is_time_to_finish_the_batch_in_hand(place):
    assert pod(place)["terminationGracePeriodSeconds"] > settings(place).shutdown_timeout_s


def test_keda_scales_the_group_on_the_lag_of_its_topic_with_rubins_numbers():
    spec = the("ScaledObject", "overlays/keda")["spec"]
    (trigger,) = spec["triggers"]
    told, group = trigger["metadata"], settings("overlays/keda").kafka
    assert (told["consumerGroup"], told["topic"]) == (group.group_id, *group.topics)
    assert (told["bootstrapServers"], told["offsetResetPolicy"]) == (group.bootstrap_servers, group.start)
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], told["lagThreshold"]) == (1, 20, "100")
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (30, 900)
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == spec["cooldownPeriod"]
    assert spec["scaleTargetRef"]["name"] == the("Deployment", "overlays/keda")["metadata"]["name"]
    assert "replicas" not in the("Deployment", "overlays/keda")["spec"]  # each apply would set them back


def test_all_components_go_together(tmp_path):
    copied = shutil.copytree(FOLDER, tmp_path / "kubernetes")
    names = sorted(folder.name for folder in (FOLDER / "components").iterdir())
    mine = {"resources": ["base"], "components": [f"components/{name}" for name in names]}
    (copied / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    made = list(yaml.safe_load_all(ran(tool("kubectl"), "kustomize", str(copied))))
    data = next(one["data"] for one in made if one["kind"] == "ConfigMap")
    assert data == the("ConfigMap")["data"] | {"MISWEEPER_REDIS__CLUSTER": "true"}
    assert {"Deployment", "ScaledObject"} <= {one["kind"] for one in made}
    assert [f"overlays/{name}" for name in names] == list(PLACES[1:])


def test_the_overlays_do_what_they_are_for():
    assert settings("overlays/cluster").redis.cluster
    assert settings("overlays/gpu").classifier.device == "cuda"
    assert container("overlays/gpu")["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in container()["resources"]["limits"]
