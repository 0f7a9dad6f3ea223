"""`diff --live` on a real API: every edit that applying would set back is found, nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servestack.live.client import Cluster
from servestack.live.compare import review_live
from servestack.live.kubeconfig import load_configuration
from servestack.manifests.manifest import Manifest
from servestack.project import build_environment, environment_names
from servestack.render.tree import to_stream, to_texts
from servestack.review.summary import Review
from tests.real.test_admission import CASES
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.kubectl import kubectl
from tests.support.projects import PROJECTS, REPOSITORY, set_in_yaml

NAMESPACE = "models"
Found = list[tuple[str, str, str, str]]
"""(operation, object, field, who changed it)."""


def by_kubectl(apiserver: ApiServer, manifests: Sequence[Manifest]) -> None:
    stream = "".join(to_stream(to_texts(manifests)))
    kubectl(apiserver, "apply", "--server-side", "-f", "-", text=stream)


def by_kubectl_as_ever(apiserver: ApiServer, manifests: Sequence[Manifest]) -> None:
    """Without --server-side."""
    kubectl(apiserver, "apply", "-f", "-", text="".join(to_stream(to_texts(manifests))))


def by_another_manager(apiserver: ApiServer, manifests: Sequence[Manifest]) -> None:
    """As Pulumi does: a server-side apply by a manager whose name is its own."""
    for manifest in manifests:
        apiserver.client.apply(manifest.body)


Apply = Callable[[ApiServer, Sequence[Manifest]], None]
WAYS = [by_kubectl, by_kubectl_as_ever, by_another_manager]


def live(apiserver: ApiServer, manifests: Sequence[Manifest], namespace: str = NAMESPACE) -> Review:
    cluster = Cluster(load_configuration(str(apiserver.kubeconfig), CONTEXT))
    return review_live("prod", CONTEXT, cluster, namespace, manifests)


def found_in(review: Review) -> Found:
    return [
        (
            field.change.operation,
            str(item.key),
            field.change.field,
            field.changed_by.manager if field.changed_by else "",
        )
        for group in review.groups
        for item in group.objects
        for field in item.fields
    ]


def delete(apiserver: ApiServer, manifests: Sequence[Manifest]) -> None:
    for manifest in reversed(manifests):
        apiserver.client.delete(manifest.body)


@pytest.fixture
def declared() -> tuple[Manifest, ...]:
    """What the repository declares for production."""
    return build_environment(REPOSITORY, "prod").manifests


@pytest.fixture
def applied(apiserver: ApiServer, declared: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, ...]]:
    by_kubectl(apiserver, declared)
    yield declared
    delete(apiserver, declared)


@pytest.mark.parametrize("apply", WAYS)
@pytest.mark.parametrize(("root", "environment"), CASES)
def test_what_was_applied_is_no_change(
    root: Path, environment: str, apply: Apply, apiserver: ApiServer
) -> None:
    built = build_environment(root, environment)
    try:
        apply(apiserver, built.manifests)
        review = live(apiserver, built.manifests, built.environment.namespace)
        assert found_in(review) == []
        assert review.problems == ()
    finally:
        delete(apiserver, built.manifests)


IMAGE = "spec.template.spec.containers[server].image"
EDITS: list[tuple[str, str, Found]] = [
    (
        "image",
        "set image deployment/iris server=theirs:1",
        [("change", "Deployment/iris", IMAGE, "kubectl-set")],
    ),
    (
        "label",
        "label service/iris --overwrite servestack.dev/owner=somebody",
        [("change", "Service/iris", "metadata.labels[servestack.dev/owner]", "kubectl-label")],
    ),
    (
        "our own label",
        "label service/iris --overwrite app.kubernetes.io/managed-by=somebody",
        [
            (
                "change",
                "Service/iris",
                "metadata.labels[app.kubernetes.io/managed-by]",
                "kubectl-label",
            )
        ],
    ),
    (
        "label taken away",
        "label service/iris servestack.dev/owner-",
        [("add", "Service/iris", "metadata.labels[servestack.dev/owner]", "")],
    ),
    (
        "limits of the autoscaler",
        'patch hpa/iris --type=merge -p {"spec":{"maxReplicas":99}}',
        [("change", "HorizontalPodAutoscaler/iris", "spec.maxReplicas", "kubectl-patch")],
    ),
    (
        "port",
        'patch service/iris --type=json -p [{"op":"replace","path":"/spec/ports/0/targetPort","value":1}]',
        [("change", "Service/iris", "spec.ports[http].targetPort", "kubectl-patch")],
    ),
    (
        "policy emptied",
        'patch networkpolicy/iris --type=json -p [{"op":"remove","path":"/spec/egress/0"}]',
        [("add", "NetworkPolicy/iris", "spec.egress[0]", "")],
    ),
    ("deleted", "delete pdb/iris", [("add", "PodDisruptionBudget/iris", "", "")]),
    # What others add is theirs: applying leaves it as it is.
    ("variable added", "set env deployment/iris -c server EXTRA=1", []),
    ("label added", "label deployment/iris theirs=1", []),
    ("annotation added", "annotate deployment/iris theirs=1", []),
    ("restarted", "rollout restart deployment/iris", []),
    ("scaled by the autoscaler", "scale deployment/iris --replicas=7", []),
]


@pytest.mark.parametrize(
    ("command", "expected"), [pytest.param(*edit[1:], id=edit[0]) for edit in EDITS]
)
def test_edits_by_others(
    command: str, expected: Found, applied: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    kubectl(apiserver, f"--namespace={NAMESPACE}", *command.split(" "))
    review = live(apiserver, applied)
    assert found_in(review) == expected
    by_forced_apply = "".join(to_stream(to_texts(applied)))
    kubectl(
        apiserver, "apply", "--server-side", "--force-conflicts", "-f", "-", text=by_forced_apply
    )
    assert found_in(live(apiserver, applied)) == []


def test_drift_says_who_and_when(applied: tuple[Manifest, ...], apiserver: ApiServer) -> None:
    kubectl(apiserver, "-n", NAMESPACE, "set", "image", "deployment/iris", "server=theirs:1")
    (group,) = live(apiserver, applied).groups
    entries = json.loads(
        kubectl(
            apiserver, "-n", NAMESPACE, "get", "deployment/iris", "-ojson", "--show-managed-fields"
        )
    )["metadata"]["managedFields"]
    (time,) = [entry["time"] for entry in entries if entry["manager"] == "kubectl-set"]
    assert group.causes == (f"drift: kubectl-set changed {IMAGE} of Deployment/iris at {time}",)


def edited(
    manifests: Sequence[Manifest], kind: str, change: Callable[[Any], None]
) -> list[Manifest]:
    """The manifests, with the body of one kind changed."""
    result = []
    for manifest in manifests:
        body = json.loads(json.dumps(manifest.body))
        if manifest.kind == kind:
            change(body)
        result.append(replace(manifest, body=body))
    return result


def server(body: dict[str, Any]) -> Any:
    return body["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("apply", WAYS)
def test_what_is_declared_anew_is_a_change_and_no_drift(
    apply: Apply, declared: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    """Added, changed and taken away in the spec: whoever applied is who would do it again."""

    def before(body: dict[str, Any]) -> None:
        server(body).setdefault("env", []).append({"name": "OLD", "value": "1"})
        body["metadata"]["labels"]["old"] = "1"

    def after(body: dict[str, Any]) -> None:
        server(body).setdefault("env", []).append({"name": "NEW", "value": "1"})
        server(body)["image"] = "ours:2"

    try:
        apply(apiserver, edited(declared, "Deployment", before))
        review = live(apiserver, edited(declared, "Deployment", after))
        container = "spec.template.spec.containers[server]"
        assert sorted(found_in(review)) == sorted([
            ("remove", "Deployment/iris", "metadata.labels.old", ""),
            ("remove", "Deployment/iris", f"{container}.env[OLD]", ""),
            ("add", "Deployment/iris", f"{container}.env[NEW]", ""),
            ("change", "Deployment/iris", f"{container}.image", ""),
        ])  # fmt: skip
    finally:
        delete(apiserver, declared)


def test_an_object_that_nobody_declares_any_more(
    applied: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    without = [manifest for manifest in applied if manifest.kind != "Ingress"]
    review = live(apiserver, without)
    assert found_in(review) == [("remove", "Ingress/iris", "", "")]
    (group,) = review.groups
    assert group.group == "iris"
    assert group.effects[0].startswith("left over, nobody declares it")


def test_what_a_controller_made_is_not_left_over(
    applied: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    """Such as the Ingress of a certificate's solver, which takes over our labels."""
    ingress = next(manifest.body for manifest in applied if manifest.kind == "Ingress")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "iris-server", "uid": "0"}
    copy = json.loads(json.dumps(ingress))
    copy["metadata"] |= {"name": "iris-solver", "ownerReferences": [owner]}
    apiserver.client.apply(copy)
    try:
        assert found_in(live(apiserver, applied)) == []
    finally:
        apiserver.client.delete(copy)


def test_everything_is_new_in_an_empty_cluster(
    declared: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    found = found_in(live(apiserver, declared))
    assert len(found) == len(declared)
    assert {operation for operation, *_ in found} == {"add"}


def test_a_kind_that_the_cluster_does_not_know(
    applied: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    """One line for it; the others are compared."""
    name = "podmonitors.monitoring.coreos.com"
    crd = json.loads(kubectl(apiserver, "get", "crd", name, "-ojson"))
    kubectl(apiserver, "delete", "crd", name)
    kubectl(apiserver, "-n", NAMESPACE, "delete", "pdb/iris")
    try:
        review = live(apiserver, applied)
        assert found_in(review) == [("add", "PodDisruptionBudget/iris", "", "")]
        assert [(problem.id, problem.message) for problem in review.problems] == [(
            "SRV537",
            "PodMonitor/iris: the cluster does not know PodMonitor of monitoring.coreos.com/v1",
        )]  # fmt: skip
    finally:
        metadata = {"name": name, "annotations": crd["metadata"]["annotations"]}
        fields = {"apiVersion": crd["apiVersion"], "kind": crd["kind"], "metadata": metadata}
        apiserver.client.apply(fields | {"spec": crd["spec"]})
        apiserver.client.wait_for_kinds({"PodMonitor"})


def test_what_the_cluster_refuses(applied: tuple[Manifest, ...], apiserver: ApiServer) -> None:
    def other_selector(body: dict[str, Any]) -> None:
        for labels in (
            body["spec"]["selector"]["matchLabels"],
            body["spec"]["template"]["metadata"]["labels"],
        ):
            labels["app.kubernetes.io/component"] = "other"

    review = live(apiserver, edited(applied, "Deployment", other_selector))
    (problem,) = review.problems
    assert problem.id == "SRV538"
    assert "Deployment/iris: the cluster refuses it" in problem.message
    assert "field is immutable" in problem.message
    assert found_in(review) == []


def test_what_kubectl_left_behind_before_others_took_over(
    declared: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    """Its annotation is stale then: applying takes nothing away that it names."""

    def before(body: dict[str, Any]) -> None:
        server(body).setdefault("env", []).append({"name": "OLD", "value": "1"})

    try:
        by_kubectl_as_ever(apiserver, edited(declared, "Deployment", before))
        assert found_in(live(apiserver, declared)) != []
        by_another_manager(apiserver, declared)
        assert found_in(live(apiserver, declared)) == []
    finally:
        delete(apiserver, declared)


def test_an_annotation_of_kubectl_that_somebody_broke(
    declared: tuple[Manifest, ...], apiserver: ApiServer
) -> None:
    try:
        by_kubectl_as_ever(apiserver, declared)
        annotation = "kubectl.kubernetes.io/last-applied-configuration={"
        kubectl(apiserver, "-n", NAMESPACE, "annotate", "service/iris", "--overwrite", annotation)
        assert found_in(live(apiserver, declared)) == []
    finally:
        delete(apiserver, declared)


def test_a_variable_of_ours_that_somebody_changed(apiserver: ApiServer, tmp_path: Path) -> None:
    """In a list of the container, found by its name and not by its place."""
    root = tmp_path / "complete"
    shutil.copytree(next(root for root in PROJECTS if root.name == "complete"), root)
    # `kubectl set env` knows no Rollout.
    set_in_yaml(root / "models/churn.yaml", rollout={"strategy": "rolling"})
    built = build_environment(root, environment_names(root)[0])
    manifests, namespace = built.manifests, built.environment.namespace
    deployment = next(m for m in manifests if m.kind == "Deployment" and named_values(m.body))
    name = named_values(deployment.body)[-1]
    try:
        by_kubectl(apiserver, manifests)
        kubectl(
            apiserver, "-n", namespace, "set", "env", f"deployment/{deployment.name}", "-c",
            server(deployment.body)["name"], f"{name}=theirs", "ANOTHER=1",
        )  # fmt: skip
        field = f"spec.template.spec.containers[server].env[{name}].value"
        assert found_in(live(apiserver, manifests, namespace)) == [
            ("change", f"Deployment/{deployment.name}", field, "kubectl-set")
        ]
    finally:
        delete(apiserver, manifests)


def named_values(body: dict[str, Any]) -> list[str]:
    """Names of the server's variables that have a value of their own."""
    return [entry["name"] for entry in server(body).get("env", []) if "value" in entry]


def test_the_version_is_read(apiserver: ApiServer) -> None:
    version = Cluster(load_configuration(str(apiserver.kubeconfig), CONTEXT)).version()
    assert (version["major"], version["minor"].isdigit()) == ("1", True)
