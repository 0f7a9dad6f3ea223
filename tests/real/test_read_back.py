"""What the API stores is what was rendered: Argo CD and Flux find no difference by themselves.

Argo CD lays the file over the live object and compares. For kinds of CustomResourceDefinitions
that is a JSON merge, in which a list is one value: a default that the API adds to an item of a
list is a difference for ever. For Kubernetes' own kinds the items of a keyed list are merged by
their key, and other lists are one value too. Nobody may add to an object's lists but the API, so
the objects are read back right after they were stored.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from servestack.project import environment_names
from servestack.resolve.lock import read_lock, write_lock
from servestack.review.gate import build_checked
from servestack.review.validate import load_schema
from tests.real.test_admission import pods
from tests.support import whole_pods
from tests.support.apiserver import ApiServer
from tests.support.projects import PROJECTS, set_in_yaml

Place = tuple[str | int, ...]
Difference = tuple[str, str, object, object]
"""(what happened, the field, what was written, what is stored)."""

_CUSTOM = (
    "argoproj.io", "gateway.networking.k8s.io", "kafka.strimzi.io", "keda.sh", "monitoring.coreos.com",
)  # fmt: skip

UNUSUAL_SPEC = {
    "replicas": None,
    "autoscaling": {"min": 2, "max": 9, "inFlightPerPod": 2000},
    "resources": {
        "cpu": 0.5,
        "memory": "1024Mi",
        "limits": {"cpu": "2000m", "memory": "1.5Gi", "ephemeralStorage": "8192Mi"},
    },
    "logging": {"diskBudget": "2Gi"},
    "env": [{"name": "EMPTY", "value": ""}, {"name": "FULL", "value": "1"}],
    "scheduling": {
        "tolerations": [
            {"key": "a", "value": ""},
            {"key": "b", "operator": "Exists", "effect": "NoExecute"},
        ],
        "nodeSelector": {"disk": ""},
    },
    "rollout": {"minReadySeconds": 0},
    "shutdown": {"drainSeconds": 0, "logDrainSeconds": 0},
    "service": {"port": 8080, "callers": ["web"]},
    "annotations": {"example.com/empty": ""},
    "ingress": {"hosts": ["a.example.com", "*.example.org", {"host": "b.example.com"}]},
    "egress": [
        {
            "cidr": "10.1.0.0/16",
            "ports": [8125, {"port": 9000, "endPort": 9100}],
            "protocol": "UDP",
        },
        {"cidr": "0.0.0.0/0", "ports": [443]},
        {"cidr": "::/0", "ports": [443]},
        {"namespace": "feast", "podLabels": {"app": ""}, "ports": [6566]},
    ],
}
"""Values that the API would write in another form, or drop, and lists that no example has."""
UNUSUAL_ENVIRONMENT = {
    "overrides": {},
    "guardRails": {},
    "metrics": {"customMetrics": "prometheus-adapter"},
    "network": {"dns": {"cidrs": ["169.254.20.10/32"], "ports": [53, 5353]}},
    "kafka": {
        "brokers": ["kafka:9093"],
        "security": {
            "protocol": "SSL",
            "clientCertificate": {"secret": "filebeat-tls"},
            "ca": {"secret": "kafka-ca", "key": "ca.crt"},
        },
        # In a namespace that every cluster has.
        "topics": {"managedBy": "strimzi", "cluster": "events", "namespace": "default"},
    },
}


def differences(written: dict[str, Any], stored: dict[str, Any]) -> list[Difference]:
    """What the API has changed of an object, and added where a comparison would see it."""
    is_custom = written["apiVersion"].partition("/")[0] in _CUSTOM
    schema = load_schema(written["kind"])
    assert schema is not None
    return list(_differences(written, stored, (), schema, schema, is_custom, None))


def _differences(
    written: Any,
    stored: Any,
    place: Place,
    schema: dict[str, Any],
    here: dict[str, Any],
    is_custom: bool,
    whole: bool | None,
) -> Iterator[Difference]:
    """`whole` says whether this lies in a list that is compared as one value; None: in no list."""
    here = _followed(schema, here)
    field = ".".join(map(str, place))
    if isinstance(written, dict) and isinstance(stored, dict):
        for key, value in written.items():
            if key not in stored:
                yield ("dropped", f"{field}.{key}", value, None)
                continue
            below = here.get("properties", {}).get(key) or here.get("additionalProperties") or {}
            yield from _differences(
                value, stored[key], (*place, key), schema, below, is_custom, whole
            )
        for key in stored.keys() - written.keys() if whole else ():
            yield ("added", f"{field}.{key}", None, stored[key])
    elif isinstance(written, list) and isinstance(stored, list) and len(written) == len(stored):
        keyed = not is_custom and "x-kubernetes-list-map-keys" in here
        for index, (one, other) in enumerate(zip(written, stored, strict=True)):
            yield from _differences(
                one, other, (*place, index), schema, here.get("items", {}), is_custom,
                whole or not keyed,
            )  # fmt: skip
    elif written != stored or type(written) is not type(stored):
        yield ("changed", field, written, stored)


def _followed(schema: dict[str, Any], here: Any) -> dict[str, Any]:
    while isinstance(here, dict) and "$ref" in here:
        here = schema["$defs"][here["$ref"].removeprefix("#/$defs/")]
    return here if isinstance(here, dict) else {}


def read_back(apiserver: ApiServer, bodies: list[dict[str, Any]]) -> dict[str, list[Difference]]:
    """Apply objects, read them back, and delete them. Returns the objects with differences."""
    found = {}
    try:
        for body in bodies:
            apiserver.client.apply(body)
        for body in bodies:
            stored = apiserver.client.get(body)
            assert stored is not None
            if different := differences(body, stored):
                found[f"{body['kind']} {body['metadata']['name']}"] = different
    finally:
        for body in reversed(bodies):
            apiserver.client.delete(body)
    return found


@pytest.mark.parametrize(
    ("root", "environment"),
    [
        pytest.param(root, environment, id=f"{root.name}-{environment}")
        for root in PROJECTS
        for environment in environment_names(root)
    ],
)
def test_every_object_is_stored_as_it_was_rendered(
    root: Path, environment: str, apiserver: ApiServer
) -> None:
    bodies = [manifest.body for manifest in build_checked(root, environment).manifests]
    assert read_back(apiserver, bodies) == {}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_unusual_values_are_written_as_the_api_stores_them(
    project: Path, environment: str, apiserver: ApiServer
) -> None:
    """An Ingress with annotations for Prometheus, an HTTPRoute with the operator, custom metrics."""
    spec = project / "models/iris.yaml"
    written = yaml.safe_load(spec.read_text())
    spec.write_text(yaml.safe_dump(written | UNUSUAL_SPEC, sort_keys=False))
    file = project / f"stacks/{environment}.yaml"
    way_in = yaml.safe_load(file.read_text())["ingress"] | {"pathPrefix": "/ml"}
    if way_in["kind"] == "ingress":
        way_in["tls"] = {"issuer": {"name": "letsencrypt"}}
    set_in_yaml(file, ingress=way_in, **UNUSUAL_ENVIRONMENT)
    bodies = [manifest.body for manifest in build_checked(project, environment).manifests]
    assert read_back(apiserver, bodies) == {}


def test_a_shadow_is_stored_as_it_was_rendered(project: Path, apiserver: ApiServer) -> None:
    """And its pods are admitted as `restricted`, as those of the model are."""
    shadow = {"artifact": "models:/iris@candidate", "percent": 12.5, "resources": {"cpu": "1000m"}}
    set_in_yaml(project / "models/iris.yaml", shadow=shadow)
    file = project / "stacks/prod.lock.yaml"
    lock = read_lock(file, "prod")
    other = structs.replace(lock.models["iris"]["iris"], uri=shadow["artifact"], sha256="cd" * 32)
    lock.models["iris"]["iris-shadow"] = other
    write_lock(file, lock)
    bodies = [manifest.body for manifest in build_checked(project, "prod").manifests]
    (pod,) = (pod for pod in pods(bodies) if pod["metadata"]["name"] == "iris-shadow")
    for body in bodies:
        apiserver.client.apply(body)
    assert apiserver.client.apply(pod, dry_run=True)
    assert read_back(apiserver, bodies) == {}


@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_a_rollout_is_stored_as_it_was_rendered(
    strategy: str, project: Path, apiserver: ApiServer
) -> None:
    autoscaling = {"min": 2, "max": 4}
    rollout = {"strategy": strategy, "minReadySeconds": 0}
    set_in_yaml(
        project / "models/iris.yaml", replicas=None, autoscaling=autoscaling, rollout=rollout
    )
    rollouts = {"engine": "argo", "prometheusAddress": "http://p:9090/", "router": "nginx"}
    set_in_yaml(project / "stacks/dev.yaml", overrides={}, rollouts=rollouts)
    bodies = [manifest.body for manifest in build_checked(project, "dev").manifests]
    assert "Rollout" in {body["kind"] for body in bodies}
    assert read_back(apiserver, bodies) == {}


def test_a_scaled_object_is_stored_as_it_was_rendered(project: Path, apiserver: ApiServer) -> None:
    set_in_yaml(project / "models/iris.yaml", replicas=None, autoscaling={"inFlightPerPod": 2000})
    authentication = {"name": "prometheus", "modes": ["bearer", "tls"]}
    keda = {"serverAddress": "http://p:9090/", "tenantNamespace": "ml"}
    metrics = {"customMetrics": "keda", "keda": keda | {"authentication": authentication}}
    set_in_yaml(project / "stacks/prod.yaml", overrides={}, metrics=metrics)
    bodies = [manifest.body for manifest in build_checked(project, "prod").manifests]
    kinds = {body["kind"] for body in bodies}
    assert ("ScaledObject" in kinds, "HorizontalPodAutoscaler" in kinds) == (True, False)
    assert read_back(apiserver, bodies) == {}


def test_everything_of_pods_is_stored_as_it_was_rendered(
    project: Path, apiserver: ApiServer
) -> None:
    """Volumes, affinity, devices and further containers, which have lists within lists."""
    spec = project / "models/iris.yaml"
    written = yaml.safe_load(spec.read_text())
    spec.write_text(yaml.safe_dump(written | whole_pods.SPEC, sort_keys=False))
    file = project / "stacks/dev.yaml"
    images = yaml.safe_load(file.read_text())["images"] | whole_pods.ENVIRONMENT["images"]
    set_in_yaml(file, overrides={}, images=images, gpus=whole_pods.ENVIRONMENT["gpus"])
    bodies = [manifest.body for manifest in build_checked(project, "dev").manifests]
    assert read_back(apiserver, bodies) == {}


def test_route_defaults(apiserver: ApiServer) -> None:
    """The test above could not fail if it did not see what a default adds to an item of a list."""
    root = PROJECTS[0]
    bodies = [manifest.body for manifest in build_checked(root, "staging").manifests]
    (route,) = (copy.deepcopy(body) for body in bodies if body["kind"] == "HTTPRoute")
    namespace = next(body for body in bodies if body["kind"] == "Namespace")
    del route["spec"]["rules"][0]["backendRefs"][0]["weight"]
    del route["spec"]["parentRefs"][0]["group"]
    assert read_back(apiserver, [namespace, route]) == {
        "HTTPRoute iris": [
            ("added", "spec.parentRefs.0.group", None, "gateway.networking.k8s.io"),
            ("added", "spec.rules.0.backendRefs.0.weight", None, 1),
        ]
    }


def test_another_form_of_a_quantity_is_seen(apiserver: ApiServer) -> None:
    root = PROJECTS[0]
    bodies = [manifest.body for manifest in build_checked(root, "dev").manifests]
    namespace = next(body for body in bodies if body["kind"] == "Namespace")
    (deployment,) = (copy.deepcopy(body) for body in bodies if body["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "0.5"
    found = read_back(apiserver, [namespace, deployment])
    field = "spec.template.spec.containers.0.resources.requests.cpu"
    assert found == {"Deployment iris": [("changed", field, "0.5", "500m")]}
