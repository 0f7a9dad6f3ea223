"""The policies that are rendered let pass who may, and nobody else: tried from real pods.

Every connection is made before the policies are there as well, so that one that is refused is refused
by them.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tools.cluster.ready import find_kubectl

from tests.cluster.clusters import TestCluster
from tests.support.busybox import IMAGE, PAGE, write_busybox_image
from tests.support.projects import REPOSITORY

_METADATA = "169.254.169.254"
"""Where clouds answer with the credentials of a node."""
_RENDERED = (
    "rendered/prod/_environment/networkpolicy-default-deny.yaml",
    "rendered/prod/iris/networkpolicy-iris.yaml",
    "rendered/dev/_environment/networkpolicy-default-deny.yaml",
    "rendered/dev/iris/networkpolicy-iris.yaml",
    "examples/complete/rendered/prod/churn/networkpolicy-churn.yaml",
)


class _Pod(NamedTuple):
    """Serves PAGE at `port`."""

    port: int = 8080
    labels: dict[str, str] = {}
    privileged: bool = False


def _model(name: str) -> _Pod:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "model-server"}
    return _Pod(8080, labels)


_PODS = {
    "models/churn": _model("churn"),  # callers: [shop], egress to data's features
    "models/iris": _model("iris"),
    "models/tool": _Pod(),
    "models-dev/iris": _model("iris"),  # an environment without Kafka
    "traefik/caller": _Pod(),
    "monitoring/caller": _Pod(),
    "shop/caller": _Pod(),
    "elsewhere/caller": _Pod(),
    "mlflow/server": _Pod(5000),
    "kafka/broker": _Pod(9093),
    "data/features": _Pod(6379, {"app": "features"}),
    "data/other": _Pod(6379),
    "elsewhere/metadata": _Pod(443, privileged=True),  # a port that dev opens to the world
}
_MACHINE = "this machine"
_CONNECTIONS = {
    ("traefik/caller", "models/churn"): True,
    ("monitoring/caller", "models/churn"): True,
    ("shop/caller", "models/churn"): True,
    ("elsewhere/caller", "models/churn"): False,
    ("models/iris", "models/churn"): False,
    ("models-dev/iris", "models/churn"): False,
    ("shop/caller", "models/iris"): False,
    ("traefik/caller", "models/tool"): False,
    ("models/churn", "mlflow/server"): True,
    ("models/churn", "kafka/broker"): True,
    ("models/churn", "data/features"): True,
    ("models/churn", "data/other"): False,
    ("models/churn", "models/iris"): False,
    ("models/churn", _METADATA): False,
    ("models/churn", _MACHINE): False,
    ("models/iris", "kafka/broker"): True,
    ("models/iris", "data/features"): False,
    ("models-dev/iris", "kafka/broker"): False,
    # Where an environment does not say where MLflow is, it may be anywhere but at the metadata.
    ("models-dev/iris", "mlflow/server"): True,
    ("models-dev/iris", "elsewhere/metadata"): True,
    ("models-dev/iris", _METADATA): False,
    ("models/tool", "kafka/broker"): False,
}


class _Network:
    """The pods, and the way to try a connection between two."""

    def __init__(self, cluster: TestCluster, machine_port: int) -> None:
        self._kubectl = [find_kubectl(), f"--kubeconfig={cluster.kubeconfig}"]
        self._targets = {_MACHINE: f"{cluster.host}:{machine_port}", _METADATA: f"{_METADATA}:443"}
        self.reached_before: set[tuple[str, str]] = set()

    def run(self, *arguments: str | Path, text: str = "") -> str:
        done = subprocess.run(
            [*self._kubectl, *arguments], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def locate(self) -> None:
        for pod, settings in _PODS.items():
            namespace, _, name = pod.partition("/")
            path = ("-o", "jsonpath={.status.podIP}")
            address = self.run("get", f"pod/{name}", f"--namespace={namespace}", *path)
            self._targets[pod] = f"{address}:{settings.port}"

    def lead_to_metadata(self) -> None:
        """The metadata address is a pod's, within the node: no packet leaves it."""
        address = self._targets["elsewhere/metadata"].partition(":")[0]
        self.execute("elsewhere/metadata", f"busybox ip address add {_METADATA}/32 dev lo")
        way = self.execute("elsewhere/router", f"busybox ip route get {address}").split()
        device = way[way.index("dev") + 1]
        self.execute("elsewhere/router", f"busybox ip route add {_METADATA}/32 dev {device}")

    def execute(self, pod: str, command: str) -> str:
        namespace, _, name = pod.partition("/")
        return self.run("exec", f"--namespace={namespace}", name, "--", "sh", "-c", command)

    def reaches(self, source: str, target: str) -> bool:
        fetch = f"busybox timeout 4 wget -q -O- http://{self._targets[target]}/ || true"
        return self.execute(source, fetch) == PAGE

    def reached(self) -> set[tuple[str, str]]:
        """All connections that can be made now."""
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda connection: self.reaches(*connection), _CONNECTIONS)
            return {pair for pair, answer in zip(_CONNECTIONS, answers, strict=True) if answer}


@pytest.fixture(scope="module")
def network(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Network]:
    """Pods and policies."""
    if cluster.kind != "kind":
        pytest.skip(f"{cluster.kind}: nobody knows whether policies are enforced there")
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    write_busybox_image(archive)
    cluster.load_image(archive)
    server = ThreadingHTTPServer((cluster.host, 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = _Network(cluster, server.server_port)
    namespaces = sorted({pod.partition("/")[0] for pod in _PODS})
    made = [name for name in namespaces if name != "traefik"]
    objects = [*map(_namespace, made), *(_manifest(*item) for item in _PODS.items())]
    try:
        found.run("apply", "-f", "-", text=_list([*objects, _router()]))
        for namespace in namespaces:
            ready = ("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
            found.run(*ready, f"--namespace={namespace}")
        found.locate()
        found.lead_to_metadata()
        _eventually(lambda: found.reached() == set(_CONNECTIONS))
        found.reached_before = set(_CONNECTIONS)
        for file in _RENDERED:
            found.run("apply", "-f", REPOSITORY / file)
        _eventually(lambda: not found.reaches("elsewhere/caller", "models/churn"))
        yield found
    finally:
        server.shutdown()
        found.run("delete", "namespace", "--wait=false", "--ignore-not-found", *made)
        found.run("delete", "pod/caller", "--namespace=traefik", "--ignore-not-found")


@pytest.mark.parametrize(("source", "target"), _CONNECTIONS)
def test_who_may_call_passes_and_nobody_else(network: _Network, source: str, target: str) -> None:
    allowed = _CONNECTIONS[source, target]
    assert (source, target) in network.reached_before
    # A policy is enforced a moment after it is made.
    _eventually(lambda: network.reaches(source, target) == allowed)


def test_refused_connections_stay_refused(network: _Network) -> None:
    expected = {connection for connection, allowed in _CONNECTIONS.items() if allowed}
    assert network.reached() == expected


def test_names_are_resolved(network: _Network) -> None:
    assert "10.96.0.1" in network.execute(
        "models/churn", "nslookup kubernetes.default.svc.cluster.local"
    )


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Not into the test's output."""


def _list(items: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _manifest(pod: str, settings: _Pod) -> dict[str, Any]:
    namespace, _, name = pod.partition("/")
    container: dict[str, Any] = {
        "name": "web",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "args": ["httpd", "-f", "-p", str(settings.port), "-h", "/www"],
        "readinessProbe": {"tcpSocket": {"port": settings.port}, "periodSeconds": 1},
        "securityContext": {"runAsUser": 0},
    }
    if settings.privileged:
        container["securityContext"]["privileged"] = True
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": settings.labels},
        "spec": {
            # On one node, whose way to the metadata address is led to a pod.
            "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
        },
    }


def _router() -> dict[str, Any]:
    """A pod in the node's own network."""
    pod = _manifest("elsewhere/router", _Pod(18080, privileged=True))
    pod["spec"]["hostNetwork"] = True
    return pod


def _eventually(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)
