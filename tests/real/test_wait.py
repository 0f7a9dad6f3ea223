"""`servestack wait` and `status --live` against a real API.

There are no controllers here: this test writes the statuses and pods that they would. So it cannot
see whether a real controller writes them like this; tests/cluster has those of Kubernetes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from servestack.manifests.manifest import Body
from servestack.project import build_environment
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.in_process import Done, servestack

Run = Callable[..., Done]
POD_HASHES = {"1": "75c4b6f9d", "2": "6c7d8f9b5"}


@pytest.fixture
def run(project: Path, apiserver: ApiServer) -> Run:
    """A command for prod in a copy of the repository."""

    def call(verb: str, *arguments: str) -> Done:
        cluster = (f"--kubeconfig={apiserver.kubeconfig}", f"--context={CONTEXT}")
        return servestack(verb, "prod", *arguments, *cluster, folder=project)

    return call


class Model:
    """iris in the cluster, as controllers and a kubelet would leave it."""

    def __init__(self, project: Path, apiserver: ApiServer) -> None:
        self.project, self.client = project, apiserver.client
        self.made: list[Body] = []
        for body in self.bodies():
            if body["kind"] == "Namespace":
                self.apply(body)

    def bodies(self) -> list[Body]:
        return [
            m.body
            for m in build_environment(self.project, "prod").manifests
            if m.group in ("iris", "_environment")
        ]

    @property
    def deployment(self) -> Body:
        return next(body for body in self.bodies() if body["kind"] == "Deployment")

    def apply(self, body: Body) -> Body:
        self.made.append(body)
        return self.client.apply(body)

    def move(self, version: str) -> None:
        """Lock another version, as git would have it."""
        lock = self.project / "stacks/prod.lock.yaml"
        text = lock.read_text()
        for old in POD_HASHES:
            text = text.replace(f'"version": "{old}"', f'"version": "{version}"')
        lock.write_text(text)

    def report(self, body: Body, **status: Any) -> None:
        """What a controller says of the generation that the API has now."""
        live = self.client.get(body)
        assert live is not None
        generation: int | str = live["metadata"]["generation"]
        if body["kind"] == "Rollout":
            generation = str(generation)
        self.client.patch(
            body, {"status": {"observedGeneration": generation, **status}}, subresource="status"
        )

    def rolled_out(
        self, *, count: int = 1, updated: int = 1, available: int = 1, **more: Any
    ) -> None:
        counts = {"replicas": count, "updatedReplicas": updated, "availableReplicas": available}
        self.report(self.deployment, **counts, readyReplicas=available, **more)

    def replica_set(self, version: str, revision: str) -> None:
        template = self.deployment["spec"]["template"]
        labels = self.labels(version)
        body = {
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": f"iris-{POD_HASHES[version]}", "namespace": "models", "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": revision},
            },
            "spec": {
                "replicas": 0, "selector": {"matchLabels": labels},
                "template": {**template, "metadata": {"labels": labels}},
            },
        }  # fmt: skip
        self.apply(body)
        self.client.patch(
            self.deployment,
            {"metadata": {"annotations": {"deployment.kubernetes.io/revision": revision}}},
        )

    def labels(self, version: str) -> dict[str, str]:
        own: dict[str, str] = self.deployment["spec"]["template"]["metadata"]["labels"]
        return own | {
            "servestack.dev/version": version,
            "pod-template-hash": POD_HASHES[version],
            "rollouts-pod-template-hash": POD_HASHES[version],
        }

    def pod(self, version: str, **status: Any) -> None:
        metadata = {
            "name": f"iris-{POD_HASHES[version]}-x",
            "namespace": "models",
            "labels": self.labels(version),
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": self.deployment["spec"]["template"]["spec"],
        }
        self.apply(body)
        self.client.patch(
            body,
            {"status": {"conditions": [{"type": "Ready", "status": "True"}], **status}},
            subresource="status",
        )

    def clear(self) -> None:
        for body in reversed(self.made):
            self.client.delete(body)


@pytest.fixture
def model(project: Path, apiserver: ApiServer) -> Iterator[Model]:
    found = Model(project, apiserver)
    yield found
    found.clear()


def test_a_cluster_without_the_model(run: Run, model: Model) -> None:
    done = run("wait", "--timeout=1s")
    assert done.returncode == 1
    assert (
        "error: SRV696 1 rollout not complete after 1 s\n    iris: missing: the cluster has no Deployment"
        in done.stderr
    )
    assert done.stdout == "iris: missing: the cluster has no Deployment of this name yet\n"


def test_a_rollout_is_followed_to_its_end(run: Run, model: Model) -> None:
    model.apply(model.deployment)
    model.replica_set("1", "1")
    model.rolled_out(updated=0, available=0)

    def controllers() -> None:
        time.sleep(1)  # The command has looked once, and looks again after two seconds.
        model.pod("1")
        model.rolled_out()

    work = Thread(target=controllers)
    work.start()
    done = run("wait", "iris", "--timeout=60s", "-o", "json")
    work.join()
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "iris: progressing: 0 of 1 pod updated",
        "iris: complete: 1 pod ready",
    ]
    data = json.loads(done.stdout.splitlines()[-1])
    (workload,) = data["workloads"]
    assert (data["result"], data["environment"], data["cluster"]) == ("complete", "prod", CONTEXT)
    assert (workload["kind"], workload["declared"], workload["inCluster"]) == (
        "Deployment",
        "1",
        "1",
    )
    assert (workload["serving"], workload["agrees"]) == ({"1": 1}, True)
    status = run("status", "--live", "--check")
    assert (status.returncode, status.stderr) == (0, "")
    assert (
        status.stdout
        == "iris   same   git 1   cluster 1   serving: version 1 with 1 pod   complete: 1 pod ready\n"
    )


def test_a_version_that_is_not_applied_yet(run: Run, model: Model) -> None:
    model.apply(model.deployment)
    model.replica_set("1", "1")
    model.pod("1")
    model.rolled_out()
    model.move("2")
    done = run("wait", "--timeout=0s")
    assert done.returncode == 1
    assert "the cluster does not have this version yet: version 1 instead of 2" in done.stderr
    status = run("status", "--live", "--check", "-o", "json")
    assert status.returncode == 2
    data = json.loads(status.stdout)
    assert (data["agrees"], data["workloads"][0]["state"]) == (False, "outdated")
    assert (
        "git and cluster disagree: iris: git says version 2; serving: version 1 with 1 pod; outdated: "
        in status.stderr
    )
    assert run("status", "--live").returncode == 0, "only --check makes it an error"


def test_a_version_that_fails(run: Run, model: Model) -> None:
    model.apply(model.deployment)
    model.replica_set("1", "1")
    model.pod("1")
    model.move("2")
    model.apply(model.deployment)
    model.replica_set("2", "2")
    ended = {"exitCode": 1, "message": "iris has sha256 a, but b is locked\n"}
    model.pod(
        "2", conditions=[{"type": "Ready", "status": "False"}],
        initContainerStatuses=[{
            "name": "fetch", "ready": False, "restartCount": 3, "image": "i", "imageID": "i",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended},
        }],
    )  # fmt: skip
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    model.rolled_out(count=2, available=1, conditions=[late])
    done = run("wait", "--timeout=60s")
    assert done.returncode == 1
    for words in (
        "error: SRV695 1 rollout failed\n    iris: failed: not rolled out within 600 s\n",
        "fetch: exited with 1", "iris has sha256 a, but b is locked",
        "serving: version 1 with 1 pod", "servestack rollback iris prod",
    ):  # fmt: skip
        assert words in done.stderr


@pytest.fixture
def rollouts(apiserver: ApiServer) -> Iterator[None]:
    """The API serves Rollouts: Argo's own CRD where there is one, else one of the same name."""
    probe: Body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"namespace": "models", "name": ""},
    }
    client = apiserver.client
    if client.serves(probe):
        yield
        return
    crds = [_crd("Rollout", "rollouts"), _crd("AnalysisRun", "analysisruns")]
    for crd in crds:
        client.apply(crd)
    deadline = time.monotonic() + 30
    while not all(client.serves(probe | {"kind": crd["spec"]["names"]["kind"]}) for crd in crds):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield
    for crd in crds:
        client.delete(crd)
    client._resource.cache_clear()


def _crd(kind: str, plural: str) -> Body:
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    crd: Body = yaml.safe_load(f"""
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {{name: {plural}.argoproj.io}}
        spec:
          group: argoproj.io
          names: {{kind: {kind}, plural: {plural}, singular: {kind.lower()}}}
          scope: Namespaced
          versions:
          - name: v1alpha1
            served: true
            storage: true
            subresources: {{status: {{}}}}
            schema: {{openAPIV3Schema: {json.dumps(open_schema)}}}
    """)
    return crd


@pytest.mark.usefixtures("rollouts")
def test_an_aborted_rollout(run: Run, model: Model) -> None:
    """git says the new version, Argo keeps the old one: both commands say so."""
    model.move("2")
    deployment = model.deployment
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": deployment["metadata"],
        "spec": {
            "replicas": 1, "selector": deployment["spec"]["selector"],
            "template": deployment["spec"]["template"],
            "strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}]}},
        },
    }  # fmt: skip
    model.apply(rollout)
    model.pod("1")
    told = 'RolloutAborted: Rollout aborted update to revision 2: Metric "errors" assessed Failed'
    model.report(
        rollout, phase="Degraded", abort=True, message=told, currentStepIndex=0,
        stableRS=POD_HASHES["1"], currentPodHash=POD_HASHES["2"],
    )  # fmt: skip
    done = run("wait", "--timeout=60s")
    assert done.returncode == 1
    assert f"SRV695 1 rollout failed\n    iris: failed: aborted: {told}\n" in done.stderr
    status = run("status", "--live", "--check")
    assert status.returncode == 2
    assert (
        "git and cluster disagree: iris: git says version 2; serving: version 1 with 1 pod after an "
        "aborted rollout; failed: aborted: Rollout" in status.stderr
    )


def test_rendered_files_that_say_something_else(run: Run, model: Model) -> None:
    assert servestack("render", "prod", folder=model.project).returncode == 0
    model.move("2")
    done = run("wait", "--timeout=60s")
    assert done.returncode == 1
    assert (
        "rendered/prod/iris/deployment-iris.yaml: SRV697 is stale: it has version 1 instead of 2"
        in done.stderr
    )
    model.apply(model.deployment)
    status = run("status", "--live", "--check")
    assert status.returncode == 2
    assert "git disagrees with itself: rendered/prod/iris/deployment-iris.yaml" in status.stderr


def test_mistakes_of_the_command_line(run: Run, project: Path) -> None:
    assert "SRV698 --timeout: 'soon' is not a time" in run("wait", "--timeout=soon").stderr
    assert "SRV209 no model is called 'rose'" in run("wait", "rose").stderr
    assert "SRV699" in run("status").stderr
    exclude = project / "stacks/prod.yaml"
    exclude.write_text(f"{exclude.read_text()}exclude: [iris]\n")
    assert "SRV571 prod does not serve iris" in run("wait", "iris").stderr
