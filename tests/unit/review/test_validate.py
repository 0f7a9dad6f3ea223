"""Manifests that the apiserver would refuse, and what is said of them."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Body
from servestack.review.validate import load_schema, validate
from tests.support.services import resolved
from tests.unit.review.bodies import autoscaler, config_map, deployment, pods_metric

CONTAINER = ("spec", "template", "spec", "containers", 0)


def faults(body: Body) -> list[tuple[str, str]]:
    return [(".".join(str(part) for part in fault.path), fault.message) for fault in validate(body)]


def service(port: Body, name: str = "iris") -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [port]},
    }


def namespace(name: str) -> Body:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def in_container(**fields: Any) -> list[tuple[str, str]]:
    prefix = ".".join(str(part) for part in CONTAINER)
    return [(path.removeprefix(f"{prefix}."), text) for path, text in faults(deployment(**fields))]


def test_what_is_valid_has_no_fault() -> None:
    amounts = {"cpu": "500m", "memory": "300Mi", "ephemeral-storage": "1e9", "example.com/gpu": 1}
    assert in_container(resources={"limits": amounts}) == []
    assert faults(autoscaler(pods_metric("a", "8"))) == []
    assert faults(service({"port": 80, "targetPort": "http"})) == []
    assert faults(service({"port": 80, "targetPort": 8080})) == []
    assert faults(config_map({"a": "b"}, labels={"example.com/a": "", "b": "c"})) == []


@pytest.mark.parametrize("amount", ["500 m", "300mib", "1,5", "", "m", "1Gi\n", "1 Gi", "0x10"])
def test_quantities(amount: str) -> None:
    ((path, message),) = in_container(resources={"limits": {"cpu": amount}})
    assert path == "resources.limits.cpu"
    assert message.startswith("must be a quantity such as 500m or 300Mi, not ")


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"imagePulPolicy": "Always"}, "", "unknown field imagePulPolicy; did you mean imagePullPolicy?"),
        ({"it's": 1}, "", "unknown field it's"),
        ({"ports": [{"containerPort": "80"}]}, "ports.0.containerPort", 'must be a whole number, not "80"'),
        ({"ports": [{}]}, "ports.0.containerPort", "is required"),
        ({"env": None}, "env", "must be a list, not null"),
        ({"tty": "yes"}, "tty", 'must be true or false, not "yes"'),
    ],
)  # fmt: skip
def test_fields(fields: Body, path: str, message: str) -> None:
    place = path or ".".join(str(part) for part in CONTAINER)
    assert in_container(**fields) == [(place, message)]


def test_either_type() -> None:
    assert faults(service({"port": 80, "targetPort": True})) == [
        ("spec.ports.0.targetPort", "must be a whole number or text, not true")
    ]


def test_the_wrong_version_of_a_kind() -> None:
    assert faults(deployment() | {"apiVersion": "apps/v1beta1"}) == [
        ("apiVersion", 'must be "apps/v1", not "apps/v1beta1"')
    ]


@pytest.mark.parametrize("kind", ["Job", "", "Versions", "deployment", "../Secret"])
def test_a_kind_without_a_schema(kind: str) -> None:
    ((path, message),) = faults(deployment() | {"kind": kind})
    assert (path, repr(kind) in message) == ("", True)
    assert load_schema(kind) is None


@pytest.mark.parametrize(
    "body",
    [
        config_map({}) | {"metadata": {"name": name}}
        for name in ("", "A", "a_b", "a\n", "a..b", "-a", "a" * 254)
    ]
    + [namespace("a.b"), namespace("a" * 64), service({"port": 80}, "1a"), service({"port": 80}, "a.b")],
)  # fmt: skip
def test_names(body: Body) -> None:
    ((path, message),) = faults(body)
    assert path == "metadata.name"
    assert message.endswith("is not a valid name")


def test_a_name_is_required() -> None:
    assert faults(config_map({}) | {"metadata": {}}) == [("metadata.name", "is required")]


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"labels": {"a": "b\n"}}, "labels.a"),
        ({"labels": {"a": "b" * 64}}, "labels.a"),
        ({"labels": {"a": "-b"}}, "labels.a"),
        ({"labels": {"a..b/c": "d"}}, "labels.a..b/c"),
        ({"labels": {"/c": "d"}}, "labels./c"),
        ({"labels": {"a/b/c": "d"}}, "labels.a/b/c"),
        ({"annotations": {"a b": "c"}}, "annotations.a b"),
        ({"annotations": {"a": "c" * 300_000}}, "annotations"),
        ({"namespace": "a.b"}, "namespace"),
    ],
)
def test_metadata(metadata: Body, path: str) -> None:
    assert [place for place, _ in faults(config_map({}, **metadata))] == [f"metadata.{path}"]


def test_labels_of_the_pod() -> None:
    body = deployment()
    body["spec"]["template"]["metadata"] = {"labels": {"a": "b c"}}
    assert [path for path, _ in faults(body)] == ["spec.template.metadata.labels.a"]


def test_data_larger_than_the_api_takes() -> None:
    assert faults(config_map({"a": "b" * 2**20})) == [("data", "is larger than 1 MiB")]


odd = st.sampled_from([None, True, -1, 1.5, "", "\n", [], [None], {}, {"a": 1}, {1: "a"}, date.min])


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> list[Body]:
    folder: Path = tmp_path_factory.mktemp("service")
    return [manifest.body for manifest in build_service_manifests(resolved(folder))]


@given(st.data())
def test_whatever_stands_in_a_field_is_a_fault_and_no_traceback(
    bodies: list[Body], data: st.DataObject
) -> None:
    body = deepcopy(data.draw(st.sampled_from(bodies), label="body"))
    here: Any = body
    while True:
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], (dict, list)) or not here[key] or data.draw(st.booleans()):
            break
        here = here[key]
    here[key] = data.draw(odd)
    for fault in validate(body):
        assert fault.message
        assert "anyOf" not in fault.message
