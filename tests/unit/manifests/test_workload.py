"""What the init container and the server are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from servestack.manifests.server_settings import server_settings, settings_text
from servestack.manifests.workload import pod_template
from tests.support.services import NULL, resolved


def pod(*arguments: Any) -> dict[str, Any]:
    spec: dict[str, Any] = pod_template(resolved(*arguments))["spec"]
    return spec


def fetch_container(pod_spec: dict[str, Any]) -> dict[str, Any]:
    return next(c for c in pod_spec["initContainers"] if c["name"] == "fetch")


def test_the_fetch_container_reads_the_settings_and_a_secret(tmp_path: Path) -> None:
    container = fetch_container(pod(tmp_path, {}, {"fetch": {"secret": "artifact-access"}}))
    assert "--config=/etc/servestack/service.json" in container["args"]
    assert "/etc/servestack" in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert container["envFrom"] == [{"secretRef": {"name": "artifact-access"}}]
    assert "envFrom" not in fetch_container(pod(tmp_path / "other"))


def test_the_server_sees_how_far_kafka_is_where_events_are_shipped(tmp_path: Path) -> None:
    for name, logging, shipped in (
        ("shipped", {}, True),
        ("silent", {"logging": {"predictions": NULL, "feedback": False}}, False),
    ):
        service = resolved(tmp_path / name, logging)
        mounts = pod_template(service)["spec"]["containers"][0]
        folders = {mount["mountPath"]: mount.get("readOnly") for mount in mounts["volumeMounts"]}
        events = server_settings(service).events
        assert events is not None
        registry = events.registry or ""
        assert (folders.get("/var/lib/filebeat") is True) == shipped
        assert registry.startswith("/var/lib/filebeat/") == shipped


def test_events_of_the_owners_code_are_a_kind_of_their_own(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"logging": {"custom": True}, "trust": {"code": True}})
    config = json.loads(settings_text(server_settings(service)))
    assert config["events"]["kinds"] == ["predictions", "feedback", "custom"]
    assert config["trust"] == {"pickle": False, "code": True, "skopsTypes": []}


CANARY = {"rollout": {"strategy": "canary", "steps": [10, 100]}}
ARGO = {"rollouts": {"engine": "argo", "prometheusAddress": "http://prometheus:9090"}}


def test_pods_of_a_canary_read_their_side_from_a_file_that_follows_the_label(
    tmp_path: Path,
) -> None:
    service = resolved(tmp_path, CANARY, ARGO)
    spec = pod_template(service)["spec"]
    volume = next(v for v in spec["volumes"] if v["name"] == "pod-info")
    (item,) = volume["downwardAPI"]["items"]
    assert item["fieldRef"] == {
        "apiVersion": "v1",
        "fieldPath": "metadata.labels['servestack.dev/variant']",
    }
    mounts = spec["containers"][0]["volumeMounts"]
    (folder,) = (m["mountPath"] for m in mounts if m["name"] == "pod-info")
    assert server_settings(service).variant_file == f"{folder}/{item['path']}"


def test_pods_that_roll_have_one_side(tmp_path: Path) -> None:
    service = resolved(tmp_path)
    spec = pod_template(service)["spec"]
    assert "pod-info" not in [volume["name"] for volume in spec["volumes"]]
    assert server_settings(service).variant_file is None
    assert "variantFile" not in settings_text(server_settings(service))
