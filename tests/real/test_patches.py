"""A patch in a spec gives what `kubectl patch` gives, by itself and in a real apiserver."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Body, Manifest
from servestack.manifests.strategic_merge import merge_patch
from servestack.review.policy.pods import restricted_pods
from servestack.review.policy.rule import Subject
from tests.support.apiserver import ApiServer
from tests.support.kubectl import kubectl
from tests.support.kubernetes_client import ApiError
from tests.support.services import resolved


def of_pod(spec: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def of_server(container: dict[str, Any]) -> dict[str, Any]:
    return of_pod({"containers": [{"name": "server", **container}]})


PATCHES: dict[str, dict[str, Any]] = {
    "a new field": of_pod({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.example.com"]}]}),
    "a field anew": of_pod({"terminationGracePeriodSeconds": 300}),
    "no field": of_pod({"topologySpreadConstraints": None}),
    "a field that is not there": of_pod({"priorityClassName": None}),
    "nulls inside a new field": of_pod({"dnsConfig": {"nameservers": ["10.0.0.2"], "options": None}}),
    "a container more": of_pod({"containers": [{"name": "proxy", "image": "proxy:1"}]}),
    "a container before it": of_pod(
        {"containers": [{"name": "proxy", "image": "proxy:1"}, {"name": "server", "stdin": True}]}
    ),
    "a container after it": of_pod(
        {"containers": [{"name": "server", "stdin": True}, {"name": "proxy", "image": "proxy:1"}]}
    ),
    "a variable more": of_server({"env": [{"name": "A", "value": "1"}]}),
    "a variable anew": of_server({"env": [{"name": "B", "value": "2"}]}),
    "a variable of another kind": of_server(
        {"env": [{"name": "B", "value": None,
                  "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
    ),
    "no variable": of_server({"env": [{"name": "B", "$patch": "delete"}]}),
    "no such variable": of_server({"env": [{"name": "NONE", "$patch": "delete"}]}),
    "all variables anew": of_server({"env": [{"$patch": "replace"}, {"name": "A", "value": "1"}]}),
    "variables in an order": of_server(
        {"$setElementOrder/env": [{"name": "C"}, {"name": "A"}, {"name": "B"}],
         "env": [{"name": "A", "value": "1"}]}
    ),
    "an order alone": of_server({"$setElementOrder/env": [{"name": "C"}, {"name": "B"}]}),
    "many variables": of_server(
        {"env": [{"name": name, "value": name} for name in ("Z", "C", "Y", "B", "X")]}
    ),
    "arguments, a list without a key": of_server({"args": ["serve", "--quick"]}),
    "a port by its number": of_server({"ports": [{"containerPort": 8080, "name": "web"}]}),
    "a port more": of_server({"ports": [{"containerPort": 9090, "name": "more"}]}),
    "a mount by its path": of_server({"volumeMounts": [{"mountPath": "/tmp", "name": "models"}]}),
    "no mount": of_server({"volumeMounts": [{"mountPath": "/tmp", "$patch": "delete"}]}),
    "a volume more": of_pod({"volumes": [{"name": "cache", "emptyDir": {}}]}),
    "a volume of another kind": of_pod(
        {"volumes": [{"name": "tmp", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/t"}}]}
    ),
    "a volume replaced": of_pod(
        {"volumes": [{"name": "tmp", "$patch": "replace"}, {"name": "only", "emptyDir": {}}]}
    ),
    "no probe": of_server({"startupProbe": None}),
    "a probe of another kind": of_server(
        {"livenessProbe": {"httpGet": None, "exec": {"command": ["true"]}}}
    ),
    "a mapping replaced": of_server({"resources": {"$patch": "replace", "limits": {"cpu": "1"}}}),
    "a mapping emptied": of_pod({"securityContext": {"$patch": "delete"}}),
    "tolerations, a list without a key": of_pod({"tolerations": [{"operator": "Exists"}]}),
    "node affinity": of_pod(
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}
    ),
    "a spread by its key": of_pod(
        {"topologySpreadConstraints": [
            {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 2,
             "whenUnsatisfiable": "DoNotSchedule"}]}
    ),
    "another strategy": {
        "spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    },
    "labels and annotations": {
        "metadata": {"labels": {"team": "a"}, "annotations": {"example.com/a": "1"}}
    },
    "finalizers": {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Body]:
    """Kind → one object of a model."""
    spec = {"env": [{"name": "B", "value": "b"}, {"name": "C", "value": "c"}]}
    service = resolved(tmp_path_factory.mktemp("patches"), spec)
    built = {manifest.kind: manifest.body for manifest in build_service_manifests(service)}
    built["Deployment"]["metadata"]["finalizers"] = ["example.com/a"]
    return built


def patched_by_kubectl(body: Body, patch: Body, folder: Path, apiserver: ApiServer) -> Body:
    """What kubectl makes of an object that is a file; the server is not asked."""
    file = folder / "object.json"
    file.write_text(json.dumps(body))
    told = kubectl(
        apiserver, "patch", "--local", "-f", file, "--type=strategic", "-o", "json",
        "-p", json.dumps(patch),
    )  # fmt: skip
    result: Body = json.loads(told)
    return result


@pytest.mark.parametrize("case", PATCHES)
def test_merges_as_kubectl_does(
    case: str, bodies: dict[str, Body], tmp_path: Path, apiserver: ApiServer
) -> None:
    body, patch = bodies["Deployment"], PATCHES[case]
    before = json.dumps([body, patch])
    ours = merge_patch(body, patch)
    assert json.dumps([body, patch]) == before
    theirs = patched_by_kubectl(body, patch, tmp_path, apiserver)
    assert patched_by_kubectl(ours, {}, tmp_path, apiserver) == theirs
    if case not in ("no such variable", "a field that is not there"):
        assert ours != body


OTHERS: dict[str, tuple[str, Body]] = {
    "a port of a Service by its number": (
        "Service", {"spec": {"ports": [{"port": 80, "targetPort": 8081}]}}),
    "a port more of a Service": (
        "Service", {"spec": {"ports": [{"port": 81, "name": "b", "targetPort": 8081}]}}),
    "session affinity": ("Service", {"spec": {"sessionAffinity": "ClientIP"}}),
    "behaviour of the autoscaler": (
        "HorizontalPodAutoscaler",
        {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 900}}}}),
    "metrics, a list without a key": (
        "HorizontalPodAutoscaler", {"spec": {"metrics": [{"type": "Resource", "resource": {
            "name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}}}]}}),
    "image pull secrets by name": (
        "ServiceAccount", {"imagePullSecrets": [{"name": "registry"}]}),
    "a rule of the ingress": (
        "Ingress", {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}}),
    "a file of a ConfigMap": ("ConfigMap", {"data": {"more.txt": "x"}}),
    "egress, a list without a key": ("NetworkPolicy", {"spec": {"egress": [{}]}}),
    "disruptions": ("PodDisruptionBudget", {"spec": {"maxUnavailable": "10%"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_other_kinds_merge_as_kubectl_does(
    case: str, bodies: dict[str, Body], tmp_path: Path, apiserver: ApiServer
) -> None:
    kind, patch = OTHERS[case]
    ours = merge_patch(bodies[kind], patch)
    theirs = patched_by_kubectl(bodies[kind], patch, tmp_path, apiserver)
    assert patched_by_kubectl(ours, {}, tmp_path, apiserver) == theirs
    assert ours != bodies[kind]


@pytest.mark.parametrize("seed", range(12))
def test_several_patches_merge_one_after_the_other(
    seed: int, bodies: dict[str, Body], tmp_path: Path, apiserver: ApiServer
) -> None:
    """Any four of the patches, in any order: each meets what the ones before it left."""
    chosen = random.Random(seed).sample(sorted(PATCHES), 4)
    ours = theirs = bodies["Deployment"]
    for case in chosen:
        ours = merge_patch(ours, PATCHES[case])
        theirs = patched_by_kubectl(theirs, PATCHES[case], tmp_path, apiserver)
        assert patched_by_kubectl(ours, {}, tmp_path, apiserver) == theirs, chosen


ADMITTED = (
    "a new field", "no field", "a container more", "a variable anew", "no variable",
    "arguments, a list without a key", "a port more", "a volume more", "no probe",
    "a probe of another kind", "node affinity", "another strategy", "labels and annotations",
)  # fmt: skip


def test_the_apiserver_makes_the_same_of_it(bodies: dict[str, Body], apiserver: ApiServer) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "models"}}
    base = bodies["Deployment"]
    monitor = bodies["PodMonitor"]
    apiserver.client.apply(namespace)
    try:
        for body in (base, monitor):
            apiserver.client.create(body)
        for case in ADMITTED:
            in_cluster = dry_run(
                apiserver, "deployment/iris", "--type=strategic", json.dumps(PATCHES[case])
            )
            assert in_cluster == replaced(apiserver, merge_patch(base, PATCHES[case])), case
        # Custom resources have no strategic merge: a JSON merge patch replaces every list.
        change = {"spec": {"podMetricsEndpoints": [{"port": "http", "interval": "5s"}]}}
        in_cluster = dry_run(apiserver, "podmonitor/iris", "--type=merge", json.dumps(change))
        assert in_cluster == replaced(apiserver, merge_patch(monitor, change))
    finally:
        for body in (base, monitor):
            kubectl(apiserver, "-n", "models", "patch", f"{body['kind']}/iris", "--type=merge",
                    "-p", '{"metadata": {"finalizers": null}}')  # fmt: skip
            apiserver.client.delete(body)
        apiserver.client.delete(namespace)


def dry_run(apiserver: ApiServer, name: str, how: str, patch: str) -> Body:
    told = kubectl(
        apiserver, "-n", "models", "patch", name, how, "--dry-run=server", "-o", "json", "-p", patch
    )
    return plain(json.loads(told))


def replaced(apiserver: ApiServer, body: Body) -> Body:
    told = kubectl(
        apiserver, "replace", "--dry-run=server", "-f", "-", "-o", "json", text=json.dumps(body)
    )
    return plain(json.loads(told))


def plain(body: Body) -> Body:
    """Without what tells the two requests apart."""
    kept = ("name", "namespace", "labels", "annotations", "finalizers")
    metadata = {key: value for key, value in body["metadata"].items() if key in kept}
    return {key: v for key, v in body.items() if key != "status"} | {"metadata": metadata}


FORBIDDEN: dict[str, dict[str, Any]] = {
    "host network": of_pod({"hostNetwork": True}),
    "host process ids": of_pod({"hostPID": True}),
    "host IPC": of_pod({"hostIPC": True}),
    "host path": of_pod({"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}),
    "host port": of_server({"ports": [{"containerPort": 8080, "hostPort": 8080}]}),
    "privileged": of_server(
        {"securityContext": {"privileged": True, "allowPrivilegeEscalation": None}}
    ),
    "escalation": of_server({"securityContext": {"allowPrivilegeEscalation": True}}),
    "a capability": of_server({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    "no capability dropped": of_server({"securityContext": {"capabilities": {"drop": []}}}),
    "root": of_server({"securityContext": {"runAsUser": 0}}),
    "maybe root": of_server({"securityContext": {"runAsNonRoot": False}}),
    "no seccomp": of_server({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    "no AppArmor": of_server({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
    "SELinux": of_server({"securityContext": {"seLinuxOptions": {"user": "system_u"}}}),
    "a kernel parameter": of_pod(
        {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}
    ),
    "a sidecar without a context": of_pod({"containers": [{"name": "proxy", "image": "a:1"}]}),
}


def test_the_policy_refuses_what_pod_security_refuses(
    bodies: dict[str, Body], apiserver: ApiServer, tmp_path: Path
) -> None:
    """Each patch alone makes a pod that the namespace would not admit; without it all is well."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "restricted-models", "labels": labels},
    }  # fmt: skip

    def is_admitted(deployment: Body) -> bool:
        template = deployment["spec"]["template"]
        metadata = {"name": "iris", "namespace": "restricted-models"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        try:
            apiserver.client.apply(pod, dry_run=True)
        except ApiError as error:
            assert "violates PodSecurity" in str(error) or "by cluster policy" in str(error)
            return False
        return True

    service = resolved(tmp_path)

    def is_refused(deployment: Body) -> bool:
        manifest = Manifest("iris", "workload", "", "", deployment)
        return any(restricted_pods.check(Subject(service, (manifest,))))

    apiserver.client.apply(namespace)
    try:
        assert is_admitted(bodies["Deployment"])
        assert not is_refused(bodies["Deployment"])
        for case, patch in FORBIDDEN.items():
            patched = merge_patch(bodies["Deployment"], patch)
            assert not is_admitted(patched), case
            assert is_refused(patched), case
    finally:
        apiserver.client.delete(namespace)
