"""The objects of a shadow: apart from the model's in everything but identity and topic."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servestack.errors import ResolveError
from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Manifest
from servestack.manifests.shadow import SHADOW
from servestack.manifests.workload import CONFIG_DIGEST
from servestack.resolve.lock import Lock
from servestack.resolve.lock_requests import lock_requests
from servestack.resolve.service import resolve_service
from servestack_contract.shadow import FILE, ShadowTraffic, read_traffic
from tests.support.services import load_settings, load_spec, lock_of, resolved

SPEC: dict[str, Any] = {"shadow": {"artifact": "models:/iris@candidate"}}
KEYS: dict[str, Any] = {"api": {"auth": {"apiKeys": {"secret": "keys"}}}}


def built(
    folder: Path, spec: dict[str, Any], environment: dict[str, Any] | None = None
) -> dict[tuple[str, str], Manifest]:
    """The manifests by (kind, name)."""
    manifests = build_service_manifests(resolved(folder, spec, environment))
    return {(manifest.kind, manifest.name): manifest for manifest in manifests}


def body(found: dict[tuple[str, str], Manifest], kind: str, name: str) -> dict[str, Any]:
    return found[kind, name].body


def test_the_model_itself_is_built_as_without_a_shadow(tmp_path: Path) -> None:
    """But for the file with the copies' way, and the way out to the shadow. No pod restarts."""
    with_shadow, without = (built(tmp_path / name, spec) for name, spec in (("a", SPEC), ("b", {})))
    own = {key: m.body for key, m in with_shadow.items() if m.concern != SHADOW}
    assert list(own) == list(without)
    differing = [key for key, manifest in without.items() if manifest.body != own[key]]
    assert differing == [
        ("NetworkPolicy", "iris"), ("ConfigMap", "iris-server"), ("ConfigMap", "iris-dashboard"),
    ]  # fmt: skip
    data = own["ConfigMap", "iris-server"]["data"]
    assert data.pop(FILE)
    assert data == body(without, "ConfigMap", "iris-server")["data"]


def test_a_new_share_or_version_restarts_no_pod_of_the_model(tmp_path: Path) -> None:
    def digest(name: str, shadow: dict[str, Any], version: str = "4") -> tuple[str, str]:
        spec = load_spec(tmp_path / name, shadow=SPEC["shadow"] | shadow)
        lock = lock_of(spec.value, shadow={"version": version})
        found = build_service_manifests(resolve_service(spec, load_settings(tmp_path / name), lock))
        pods = [m.body["spec"]["template"] for m in found if m.kind == "Deployment"]
        return tuple(json.dumps(pod) for pod in pods)  # type: ignore[return-value]

    own, shadow = digest("a", {})
    assert digest("b", {"percent": 5, "maxQueue": 10}) == (own, shadow)
    assert digest("c", {}, version="5")[0] == own
    assert digest("c", {}, version="5")[1] != shadow


def test_copies_go_to_the_shadows_service(tmp_path: Path) -> None:
    found = built(tmp_path, SPEC | {"service": {"port": 8081}})
    said = read_traffic(body(found, "ConfigMap", "iris-server")["data"][FILE].encode())
    assert said == ShadowTraffic("iris-shadow.models.svc", 8081)
    service = body(found, "Service", "iris-shadow")["spec"]
    assert service["ports"][0]["port"] == 8081
    pods = body(found, "Deployment", "iris-shadow")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= pods.items()
    assert not body(found, "Service", "iris")["spec"]["selector"].items() <= pods.items()
    assert FILE not in body(found, "ConfigMap", "iris-shadow-server")["data"], (
        "it copies nothing itself"
    )


def test_only_the_models_pods_and_prometheus_reach_the_shadow(tmp_path: Path) -> None:
    spec = SPEC | KEYS | {"service": {"callers": ["web"]}}
    found = built(tmp_path, spec)
    own = body(found, "Service", "iris")["spec"]["selector"]
    shadow = body(found, "Service", "iris-shadow")["spec"]["selector"]
    policy = body(found, "NetworkPolicy", "iris-shadow")["spec"]
    assert policy["podSelector"]["matchLabels"] == shadow
    prometheus = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    }
    port = [{"protocol": "TCP", "port": 8080}]
    assert policy["ingress"] == [
        {"from": [{"podSelector": {"matchLabels": own}}, prometheus], "ports": port}
    ]
    way_out = {"to": [{"podSelector": {"matchLabels": shadow}}], "ports": port}
    assert way_out in body(found, "NetworkPolicy", "iris")["spec"]["egress"]
    assert way_out not in policy["egress"]
    pod = body(found, "Deployment", "iris-shadow")["spec"]["template"]["spec"]
    assert "api-keys" not in {volume["name"] for volume in pod["volumes"]}


def test_a_shadow_has_what_it_is_measured_by_and_nothing_that_acts(tmp_path: Path) -> None:
    found = built(tmp_path, SPEC | {"monitoring": {"drift": True}, "logging": {"access": True}})
    kinds = [kind for (kind, _), manifest in found.items() if manifest.concern == SHADOW]
    assert kinds == [
        "NetworkPolicy", "ConfigMap", "ConfigMap", "Deployment", "Service", "PodMonitor",
    ]  # fmt: skip
    for (_, name), manifest in found.items():
        labels = manifest.body["metadata"]["labels"]
        is_shadow = manifest.concern == SHADOW
        assert (labels.get("servestack.dev/variant") == "shadow") is is_shadow
        assert name.startswith("iris-shadow") is is_shadow
    settings = json.loads(body(found, "ConfigMap", "iris-shadow-server")["data"]["service.json"])
    assert settings["basePath"] == "/v1/iris"
    assert [model["name"] for model in settings["models"]] == ["iris"]
    assert settings["variantFile"]
    assert settings["metrics"]["drift"] is False
    assert settings["events"]["kinds"] == ["predictions"]
    filebeat = body(found, "ConfigMap", "iris-shadow-filebeat")["data"]["filebeat.yml"]
    assert 'topic: "servestack.iris.predictions"' in filebeat
    pod = body(found, "Deployment", "iris-shadow")["spec"]["template"]
    assert pod["metadata"]["labels"]["servestack.dev/version"] == "4"
    assert pod["metadata"]["annotations"][CONFIG_DIGEST]
    assert pod["spec"]["serviceAccountName"] == "iris"
    variant = [v for v in pod["spec"]["volumes"] if v["name"] == "pod-info"]
    assert variant[0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"].endswith("variant']")


def test_resources_and_replicas_of_its_own(tmp_path: Path) -> None:
    spec = {"shadow": SPEC["shadow"] | {"replicas": 3, "resources": {"cpu": "2", "memory": "2Gi"}}}
    found = built(tmp_path, spec | {"resources": {"cpu": "250m"}})
    shadow = body(found, "Deployment", "iris-shadow")["spec"]
    assert shadow["replicas"] == 3
    asked = shadow["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert (asked["cpu"], asked["memory"]) == ("2", "2Gi")
    own = body(found, "Deployment", "iris")["spec"]["template"]["spec"]
    assert own["containers"][0]["resources"]["requests"]["cpu"] == "250m"


def test_an_unknown_gpu_is_told_at_the_shadow(tmp_path: Path) -> None:
    gpu = {"shadow": SPEC["shadow"] | {"resources": {"gpu": {"count": 1, "type": "huge"}}}}
    with pytest.raises(ResolveError) as caught:
        resolved(tmp_path, gpu)
    (problem,) = caught.value.problems
    assert (problem.id, problem.field) == ("SRV176", "shadow.resources.gpu.type")


def test_a_patch_without_a_name_means_the_models_object(tmp_path: Path) -> None:
    patches = [
        {"kind": "Deployment", "patch": {"spec": {"paused": True}}},
        {"kind": "Service", "name": "iris-shadow", "patch": {"spec": {"sessionAffinity": "None"}}},
    ]
    found = built(tmp_path, SPEC | {"patches": patches})
    assert body(found, "Deployment", "iris")["spec"]["paused"] is True
    assert "paused" not in body(found, "Deployment", "iris-shadow")["spec"]
    assert body(found, "Service", "iris-shadow")["spec"]["sessionAffinity"] == "None"


def test_the_shadow_is_locked_beside_the_model(tmp_path: Path) -> None:
    spec, settings = load_spec(tmp_path, **SPEC), load_settings(tmp_path)
    requests = lock_requests(spec, settings)
    assert [(one.model, one.uri) for one in requests] == [
        ("iris", "models:/iris@production"), ("iris-shadow", "models:/iris@candidate"),
    ]  # fmt: skip
    whole = lock_of(spec.value)
    part = Lock("prod", {"iris": {"iris": whole.models["iris"]["iris"]}})
    with pytest.raises(ResolveError) as caught:
        resolve_service(spec, settings, part)
    (problem,) = caught.value.problems
    assert (problem.id, problem.field) == ("SRV201", "shadow.artifact")


def test_the_shadow_takes_what_its_own_signature_says(tmp_path: Path) -> None:
    """A column more that it can do without: the model's requests are valid there."""
    columns = [
        {"name": "sepal_length", "type": "double"}, {"name": "sepal_width", "type": "double"},
        {"name": "petal_length", "type": "double", "required": False},
    ]  # fmt: skip
    spec = load_spec(tmp_path, **SPEC)
    lock = lock_of(spec.value, shadow={"signature": {"inputs": columns}})
    service = resolve_service(spec, load_settings(tmp_path), lock)
    found = {m.name: m.body for m in build_service_manifests(service) if m.kind == "ConfigMap"}
    taken = [
        [column["name"] for column in json.loads(found[name]["data"]["service.json"])["input"]["columns"]]
        for name in ("iris-server", "iris-shadow-server")
    ]  # fmt: skip
    assert [len(names) for names in taken] == [2, 3]
    assert replace(service).shadow is not None


def test_the_dashboard_shows_both_versions_side_by_side(tmp_path: Path) -> None:
    """And those panels alone: what else it shows is the model's."""
    text = dashboard(built(tmp_path / "with", SPEC))
    both, one = 'model_service=~\\"iris|iris-shadow\\"', 'model_service=\\"iris\\"'
    lines = [line for line in text.splitlines() if both in line]
    assert lines
    assert all("variant" in line for line in lines)
    assert text.replace(both, one) == dashboard(built(tmp_path / "without", {}))


def dashboard(found: dict[tuple[str, str], Manifest]) -> str:
    (text,) = body(found, "ConfigMap", "iris-dashboard")["data"].values()
    return str(text)
