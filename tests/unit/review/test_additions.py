"""The rules of the policy see what a spec adds to its pods, and point at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.review.findings import Finding
from tests.support.whole_pods import ENVIRONMENT, IMAGE, LIMITED, SPEC
from tests.unit.review.policy_cases import Case, node_volume
from tests.unit.review.test_policy import findings_of

EMPTY: dict[str, Any] = {"name": "extra", "emptyDir": {}}
SIDECAR: dict[str, Any] = {"name": "proxy", "image": IMAGE, "resources": LIMITED}


def found(folder: Path, id: str, **case: Any) -> list[tuple[str, str]]:
    """(field, message) of the findings of one rule."""
    return [(f.field, f.message) for f in findings_of(folder, Case(**case)) if f.id == id]


def line_of(finding: Finding) -> str:
    lines = finding.location.file.read_text().splitlines()
    return lines[finding.location.line - 1].strip()


def test_all_of_it_passes_but_for_what_the_cluster_must_have(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, Case(spec=SPEC, environment=ENVIRONMENT))
    assert {finding.id for finding in findings} == {"SRV673", "SRV675"}


def test_a_container_without_limits_is_refused_at_its_line(tmp_path: Path) -> None:
    loose = {"name": "loose", "image": IMAGE}
    spec = {"sidecars": [SIDECAR, loose | {"resources": {"cpu": "1"}}], "initContainers": [loose | {"name": "bare"}]}  # fmt: skip
    findings = [f for f in findings_of(tmp_path, Case(spec=spec)) if f.id == "SRV602"]
    assert {(f.field, f.message) for f in findings} == {
        ("initContainers[0].resources", "container bare has no cpu limit"),
        ("initContainers[0].resources", "container bare has no memory limit"),
        ("sidecars[1].resources", "container loose has no memory limit"),
    }
    assert {line_of(f) for f in findings} == {"resources:", "- name: bare"}


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"volumes": [EMPTY | {"name": "tmp", "mountPath": "/a"}]},
         "volumes[0].name", "two volumes are called tmp"),
        ({"volumes": [EMPTY | {"mountPath": "/a"}, EMPTY | {"mountPath": "/b"}]},
         "volumes[1].name", "two volumes are called extra"),
        ({"volumes": [EMPTY | {"mountPath": "/tmp"}]},
         "volumes[0].mountPath", "container server has two volumes at /tmp"),
        ({"volumes": [EMPTY | {"mountPath": "/var"}]},
         "volumes[0].mountPath", "/var and servestack's own /var/log/servestack overlap in container server"),
        ({"volumes": [EMPTY | {"mountPath": "/etc/servestack/more"}]}, "volumes[0].mountPath",
         "/etc/servestack/more and servestack's own /etc/servestack overlap in container server"),
        ({"volumes": [EMPTY], "sidecars": [SIDECAR | {"volumeMounts": [
            {"name": "extra", "mountPath": "/a"}, {"name": "extra", "mountPath": "/a"}]}]},
         "sidecars[0].volumeMounts[1].mountPath", "container proxy has two volumes at /a"),
        ({"volumes": [EMPTY], "fetch": {"volumeMounts": [
            {"name": "extra", "mountPath": "/a"}, {"name": "extra", "mountPath": "/tmp/a"}]}},
         "fetch.volumeMounts[1].mountPath", "/tmp/a and servestack's own /tmp overlap in container fetch"),
        ({"sidecars": [SIDECAR | {"name": "fetch"}]},
         "sidecars[0].name", "two containers are called fetch"),
        ({"sidecars": [SIDECAR], "initContainers": [SIDECAR]},
         "initContainers[0].name", "two containers are called proxy"),
        ({"sidecars": [SIDECAR | {"ports": [{"containerPort": 8080}]}]},
         "sidecars[0].ports[0].containerPort", "container server already listens on port 8080"),
        ({"sidecars": [SIDECAR | {"ports": [{"containerPort": 5066}]}]},
         "sidecars[0].ports[0].containerPort", "container filebeat already listens on port 5066"),
        ({"sidecars": [SIDECAR | {"ports": [{"name": "http", "containerPort": 9000}]}]},
         "sidecars[0].ports[0].name", "the server's port is called http, and Prometheus would scrape both"),
    ],
)  # fmt: skip
def test_nothing_is_there_twice(
    tmp_path: Path, spec: dict[str, Any], field: str, message: str
) -> None:
    assert (field, message) in found(tmp_path, "SRV671", spec=spec)


def test_folders_inside_each_other_are_the_models_own_business(tmp_path: Path) -> None:
    nested = [EMPTY | {"mountPath": "/data"}, EMPTY | {"name": "in", "mountPath": "/data/in"}]
    near = [EMPTY | {"name": "near", "mountPath": "/models-of-ours"}]
    assert found(tmp_path, "SRV671", spec={"volumes": nested + near}) == []


def test_a_volume_of_the_node_is_refused_whoever_adds_it(tmp_path: Path) -> None:
    assert ("", "volume a is of the kind hostPath") in found(tmp_path, "SRV601", edit=node_volume)


def test_images_of_further_containers_and_volumes_are_pinned_too(tmp_path: Path) -> None:
    digest = "sha256:" + "ab" * 32
    pinned = {"repository": "registry.example.com/serving", "digest": digest}
    environment = {
        "images": {"server": pinned, "filebeat": pinned},
        "guardRails": {"requireImageDigest": True},
    }
    volume = {"name": "files", "mountPath": "/files", "image": IMAGE}
    spec = {"sidecars": [SIDECAR], "volumes": [volume], "image": {"pullPolicy": "Always"}}
    fields = [field for field, _ in found(tmp_path, "SRV642", spec=spec, environment=environment)]
    assert sorted(fields) == ["sidecars[0].image", "volumes[0].image"]


@pytest.mark.parametrize(
    ("spec", "warned"),
    [
        ({"replicas": 3, "rollout": {"maxUnavailable": 2}}, False),
        ({"replicas": 3, "rollout": {"maxUnavailable": 3}}, True),
        ({"replicas": 3, "rollout": {"maxUnavailable": "99%"}}, False),
        ({"replicas": 3, "rollout": {"maxUnavailable": "100%"}}, True),
        ({"autoscaling": {"min": 1, "max": 9}, "rollout": {"maxUnavailable": 1}}, True),
        ({"replicas": 0, "rollout": {"maxUnavailable": 1}}, False),
    ],
)
def test_a_rollout_that_may_stop_every_pod(
    tmp_path: Path, spec: dict[str, Any], warned: bool
) -> None:
    assert bool(found(tmp_path, "SRV672", spec=spec)) == warned


@pytest.mark.parametrize(
    ("spec", "flavor", "warned"),
    [
        ({"resources": {"gpu": {"count": 1}}}, "xgboost", ["resources.gpu"]),
        ({"resources": {"gpu": {"count": 1}}, "trust": {"code": True}}, "xgboost", []),
        ({"resources": {"gpu": {"count": 1}}}, "pyfunc", []),
        ({"resources": {"extended": {"nvidia.com/mig-1g.5gb": 1}}}, "onnx", ["resources.extended"]),
        ({"resources": {"extended": {"example.com/fpga": 1}}}, "onnx", []),
    ],
)
def test_gpus_that_nothing_would_use(
    tmp_path: Path, spec: dict[str, Any], flavor: str, warned: list[str]
) -> None:
    fields = [f for f, _ in found(tmp_path, "SRV675", spec=spec, artifact={"flavor": flavor})]
    assert fields == warned
