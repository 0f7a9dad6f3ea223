"""A real apiserver takes everything that a spec can say of its pods, and admits the pods.

Pod Security is `restricted`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import build_manifests
from servestack.manifests.manifest import Body
from tests.real.test_admission import pods
from tests.support import whole_pods
from tests.support.apiserver import ApiServer
from tests.support.kubernetes_client import ApiError
from tests.support.services import resolved


def bodies_of(folder: Path, spec: dict[str, Any], environment: dict[str, Any]) -> list[Body]:
    service = resolved(folder, spec, environment | {"namespace": "whole-pods"})
    manifests = build_manifests(service.environment, "stacks/prod.yaml", [service])
    return [manifest.body for manifest in manifests]


@pytest.mark.usefixtures("classes")
def test_all_of_it_is_taken_and_admitted(apiserver: ApiServer, tmp_path: Path) -> None:
    bodies = bodies_of(tmp_path, whole_pods.SPEC, whole_pods.ENVIRONMENT)
    try:
        for body in bodies:
            apiserver.client.apply(body)
        (pod,) = pods(bodies)
        admitted = apiserver.client.apply(pod, dry_run=True)["spec"]
        # Nothing was dropped: a source that a cluster does not know leaves a volume without one.
        given = bodies_by_kind(bodies)["Deployment"]["spec"]["template"]["spec"]
        assert [set(volume) for volume in admitted["volumes"]] == [
            set(volume) for volume in given["volumes"]
        ]
        assert admitted["affinity"] == given["affinity"]
        assert admitted["runtimeClassName"] == "nvidia"
        assert admitted["priority"] == 1000
        sidecars = [c["name"] for c in admitted["initContainers"] if c.get("restartPolicy")]
        assert sidecars == ["proxy", "filebeat"]
        server = admitted["containers"][0]["resources"]
        assert server["limits"]["nvidia.com/gpu"] == server["requests"]["nvidia.com/gpu"] == "2"
    finally:
        for body in reversed(bodies):
            apiserver.client.delete(body)


def bodies_by_kind(bodies: list[Body]) -> dict[str, Body]:
    return {body["kind"]: body for body in bodies}


@pytest.mark.usefixtures("classes")
def test_what_is_applied_again_changes_nothing(apiserver: ApiServer, tmp_path: Path) -> None:
    """The API fills in no default beside a field of ours that a comparison would show."""
    bodies = bodies_of(tmp_path, whole_pods.SPEC, whole_pods.ENVIRONMENT)
    try:
        for body in bodies:
            apiserver.client.apply(body)
        deployment = bodies_by_kind(bodies)["Deployment"]
        first = apiserver.client.apply(deployment)["metadata"]["generation"]
        assert apiserver.client.apply(deployment)["metadata"]["generation"] == first == 1
    finally:
        for body in reversed(bodies):
            apiserver.client.delete(body)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"sidecars": [{"name": "fetch"}]}, "Duplicate value"),
        ({"volumes": [{"name": "tmp", "emptyDir": {}, "mountPath": "/a"}]}, "Duplicate value"),
        ({"volumes": [{"name": "a", "emptyDir": {}, "mountPath": "/tmp"}]}, "must be unique"),
        ({"scheduling": {"runtimeClass": "nowhere"}}, 'RuntimeClass "nowhere" not found'),
    ],
)
def test_what_the_policy_refuses_the_api_refuses(
    apiserver: ApiServer, tmp_path: Path, spec: dict[str, Any], message: str
) -> None:
    for sidecar in spec.get("sidecars", []):
        sidecar |= {"image": whole_pods.IMAGE, "resources": whole_pods.LIMITED}
    bodies = bodies_of(tmp_path, spec, {})
    namespace = bodies_by_kind(bodies)["Namespace"]
    apiserver.client.apply(namespace)
    try:
        (pod,) = pods(bodies)
        with pytest.raises(ApiError, match=message):
            apiserver.client.create(pod, dry_run=True)
    finally:
        apiserver.client.delete(namespace)


@pytest.mark.parametrize("length", [40, 63])
def test_names_of_63_characters_are_taken(
    apiserver: ApiServer, tmp_path: Path, length: int
) -> None:
    """All objects, and the pods as the ReplicaSet's controller names them."""
    name = "m" + "0123456789" * 7
    bodies = bodies_of(tmp_path, {"name": name[:length]}, {})
    try:
        for body in bodies:
            apiserver.client.apply(body)
        (pod,) = pods(bodies)
        pod["metadata"] |= {"name": "", "generateName": f"{name[:length]}-5d4f8c7b9d-"}
        made = [apiserver.client.create(pod, dry_run=True)["metadata"]["name"] for _ in range(20)]
        assert len(set(made)) == 20
        # A pod's name is its host name, a label of at most 63 characters.
        assert {len(one) for one in made} == {min(63, length + 17)}
    finally:
        for body in reversed(bodies):
            apiserver.client.delete(body)


def test_names_of_64_characters_are_not(apiserver: ApiServer, tmp_path: Path) -> None:
    bodies = bodies_by_kind(bodies_of(tmp_path, {}, {}))
    service = bodies["Service"]
    service["metadata"] |= {"name": "m" * 64, "namespace": "default"}
    with pytest.raises(ApiError, match="must be no more than 63 characters"):
        apiserver.client.create(service, dry_run=True)
