"""The node does what a cluster does for its pods and for those who look at them."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools.cluster import kind
from tools.cluster.podman import podman
from tools.cluster.ready import find_kubectl
from tools.images import docker

from tests.cluster.clusters import NAME, TestCluster
from tests.support.busybox import PAGE, write_busybox_image
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY

_OBJECTS = str(Path(__file__).parent / "web.yaml")
_SECONDS = 60


@pytest.fixture(scope="module")
def node(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[kind.Cluster]:
    """The tests' cluster with web.yaml running."""
    if cluster.kind != "kind":
        pytest.skip(f"these are tests of kind, and this is {cluster.kind}")
    found = kind.find(NAME)
    assert found is not None
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    write_busybox_image(archive)
    found.load_image(archive)
    _kubectl(found, "apply", "-f", _OBJECTS)
    _kubectl(found, "rollout", "status", "deployment/web", f"--timeout={_SECONDS}s")
    yield found
    _kubectl(found, "delete", "--wait=false", "-f", _OBJECTS)


@pytest.mark.parametrize("host", ["web", "web.web.svc.cluster.local"])
def test_a_pod_reaches_another_by_the_name_of_its_service(node: kind.Cluster, host: str) -> None:
    wget = ("exec", "deployment/web", "--", "wget", "-qO-", f"http://{host}")
    # kube-proxy hears of a Service a moment later than others do.
    _eventually(lambda: _kubectl(node, *wget, fails="") == PAGE)


@pytest.mark.usefixtures("node")
def test_an_address_of_no_service_never_leaves_the_node() -> None:
    """Whatever is outside of the node may answer there, and what connects in the moment in which
    kube-proxy changes its rules would stay with that answer."""
    if docker.answers():
        pytest.skip("nodes of kind's own image let them out")
    ask = "curl --silent --max-time 2 http://10.96.255.250"
    in_a_pod = f"nsenter --net --target $(pgrep -o coredns) {ask}"
    shell = ("exec", f"{NAME}-control-plane", "sh", "-c")
    not_in_time = 28
    assert podman(*shell, ask, check=False).returncode == not_in_time
    assert podman(*shell, in_a_pod, check=False).returncode == not_in_time


def test_a_pod_reaches_the_api_server(node: kind.Cluster) -> None:
    command = "wget -qO- --no-check-certificate https://kubernetes.default.svc/livez"
    assert _kubectl(node, "exec", "deployment/web", "--", *command.split()) == "ok"


def test_traefik_leads_to_the_pods(node: kind.Cluster) -> None:
    _eventually(lambda: _get(node.url, "web.test") == PAGE)
    address = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    _eventually(lambda: _kubectl(node, "get", "ingress/web", "-o", address) == "127.0.0.1")


def test_a_node_port_answers_at_the_nodes_address(node: kind.Cluster) -> None:
    port = _kubectl(node, "get", "service/web", "-o", "jsonpath={.spec.ports[0].nodePort}")
    _eventually(lambda: _get(f"http://{node.node_ip}:{port}") == PAGE)


def test_logs_and_port_forward(node: kind.Cluster) -> None:
    port = free_ports(1)[0]
    with _running(node, "port-forward", "deployment/web", f"{port}:8080"):
        _eventually(lambda: _get(f"http://127.0.0.1:{port}") == PAGE)
    assert "response:200" in _kubectl(node, "logs", "deployment/web")


def test_top_shows_what_pods_use(node: kind.Cluster) -> None:
    def shown() -> bool:
        lines = _kubectl(node, "top", "pods", "--no-headers", fails="").splitlines()
        return len(lines) == 2 and all(line.split()[1].endswith("m") for line in lines)

    _eventually(shown)


def test_up_again_is_the_same_cluster(
    node: kind.Cluster, cluster: TestCluster, record_property: Callable[[str, object], None]
) -> None:
    record_property("two nodes of kind", f"up in {cluster.seconds:.0f} s")
    command = [sys.executable, "-m", "tools.cluster", "up", f"--name={NAME}"]
    up = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert up.stdout == f"{node.kubeconfig}\n"
    assert kind.find(NAME) == node


def test_the_users_own_kubeconfig_is_not_touched(node: kind.Cluster) -> None:
    own = Path.home() / ".kube/config"
    assert not own.exists() or f"kind-{NAME}" not in own.read_text()


def _get(url: str, host: str = "") -> str:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def _eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _command(node: kind.Cluster, *arguments: str) -> list[str]:
    return [find_kubectl(), f"--kubeconfig={node.kubeconfig}", "--namespace=web", *arguments]


def _kubectl(node: kind.Cluster, *arguments: str, fails: str | None = None) -> str:
    """What kubectl prints; `fails` instead where it fails, if that is given."""
    done = subprocess.run(_command(node, *arguments), capture_output=True, text=True, check=False)
    if done.returncode != 0 and fails is not None:
        return fails
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _running(node: kind.Cluster, *arguments: str) -> Iterator[None]:
    with subprocess.Popen(_command(node, *arguments), stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
