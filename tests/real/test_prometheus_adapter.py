"""prometheus-adapter with the configuration that ships tells an autoscaler the requests in flight.

Two model servers are the pods, a real Prometheus scrapes them, and the adapter is asked as a
HorizontalPodAutoscaler asks. KEDA's query is put to the same Prometheus.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from serving_image.tests.api.owned_model import SLOW, own_iris
from serving_image.tests.support.iris import train_iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack.manifests.autoscaling import build_horizontal_pod_autoscaler, in_flight_query
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY
from tests.support.services import resolved
from tests.support.tools import installed

NAMESPACE = "models"
CALLERS = {"iris-a": 3, "iris-b": 1}
"""Callers of each pod, each with one request in flight all the time."""
_SECONDS = 120


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningServer]]:
    """A server for each pod, under load."""
    folder = tmp_path_factory.mktemp("pods")
    iris = train_iris(folder / "model")
    done = threading.Event()
    with ExitStack() as stack:
        found = {}
        for pod in CALLERS:
            config = own_iris(iris, folder / pod.replace("-", "_"), SLOW) | {
                "environment": "prod",
                "batching": {},
            }
            found[pod] = stack.enter_context(running_server(config, folder / pod))
        threads = [
            threading.Thread(target=_call, args=(found[pod], done))
            for pod, count in CALLERS.items()
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            done.set()
            for thread in threads:
                thread.join()


def _call(server: RunningServer, done: threading.Event) -> None:
    while not done.is_set():
        server.post("/v1/iris/predict", [[99.0, 1, 1, 1]])  # 0.9 s each.


@pytest.fixture(scope="module")
def prometheus(
    servers: dict[str, RunningServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    (port,) = free_ports(1)
    targets = [
        {"targets": [server.address], "labels": {"namespace": NAMESPACE, "pod": pod}}
        for pod, server in servers.items()
    ]
    scrape = {"job_name": "pods", "honor_labels": True, "static_configs": targets}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        str(installed("prometheus")), f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with _process(folder / "prometheus.log", command):
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class Adapter:
    """Where it answers, and to whom: it asks the API server who has this token, and what for."""

    address: str
    token: str


@pytest.fixture(scope="module")
def adapter(
    prometheus: str, apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Adapter]:
    """The API knows the two pods."""
    folder = tmp_path_factory.mktemp("adapter")
    named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    had = apiserver.client.get(named) is not None
    pods = [_pod(name) for name in CALLERS]
    for body in ([] if had else [named]) + pods:
        apiserver.client.apply(body)
    kubeconfig = yaml.safe_load(apiserver.kubeconfig.read_text()) | {"current-context": CONTEXT}
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    (port,) = free_ports(1)
    command = [
        str(installed("prometheus-adapter")), f"--config={REPOSITORY}/monitoring/adapter/config.yaml",
        f"--prometheus-url={prometheus}", "--metrics-relist-interval=2s",
        f"--lister-kubeconfig={folder}/kubeconfig", f"--secure-port={port}",
        "--bind-address=127.0.0.1", f"--cert-dir={folder}/certificates",
        # In a cluster the API server asks, and says for whom; here nobody is in between.
        f"--authentication-kubeconfig={folder}/kubeconfig", "--authentication-skip-lookup=true",
        f"--authorization-kubeconfig={folder}/kubeconfig",
    ]  # fmt: skip
    (user,) = kubeconfig["users"]
    try:
        with _process(folder / "adapter.log", command):
            yield Adapter(f"https://127.0.0.1:{port}", user["user"]["token"])
    finally:
        for body in pods + ([] if had else [named]):
            apiserver.client.delete(body)


def _pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": "iris"},
        },
        "spec": {"containers": [{"name": "server", "image": "localhost/serving:1"}]},
    }


@contextmanager
def _process(log: Path, command: list[str]) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdout=stream, stderr=stream
        )
    try:
        yield
    except BaseException:
        print(log.read_text(errors="replace")[-4000:])
        raise
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module", autouse=True)
def _no_warnings_about_its_own_certificate() -> None:
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def asked(adapter: Adapter, metric: str, pods: str = "*") -> dict[str, float]:
    """The metric of each pod, as the autoscaler's client asks for it; empty where there is none."""
    path = f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/pods/{pods}/{metric}"
    selector = {"labelSelector": "app.kubernetes.io/name=iris"} if pods == "*" else {}
    try:
        answer = requests.get(
            adapter.address + path, params=selector, verify=False, timeout=20,
            headers={"Authorization": f"Bearer {adapter.token}"},
        )  # fmt: skip
    except requests.ConnectionError:
        return {}
    assert answer.status_code in (200, 404), answer.text
    if answer.status_code == 404:
        return {}
    return {
        item["describedObject"]["name"]: _number(item["value"]) for item in answer.json()["items"]
    }


def _number(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def eventually(ask: Any, is_right: Any) -> Any:
    deadline = time.monotonic() + _SECONDS
    while not is_right(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


def test_an_autoscaler_gets_the_mean_of_each_pod(adapter: Adapter, tmp_path: Path) -> None:
    """With the name that the rendered HorizontalPodAutoscaler asks for."""
    engine = {"metrics": {"customMetrics": "prometheus-adapter"}}
    service = resolved(tmp_path, {"autoscaling": {"inFlightPerPod": 2}}, engine)
    scaler = build_horizontal_pod_autoscaler(service)
    assert scaler is not None
    name = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]

    def near(found: dict[str, float]) -> bool:
        """The scrape itself is no load: the gauge would show one more in each pod."""
        return found.keys() == CALLERS.keys() and all(
            abs(found[pod] - count) < 0.4 for pod, count in CALLERS.items()
        )

    eventually(lambda: asked(adapter, name), near)
    assert asked(adapter, name, "iris-b").keys() == {"iris-b"}
    assert asked(adapter, "servestack_queue_depth") == {}


def test_keda_gets_the_mean_of_all_pods(prometheus: str, tmp_path: Path) -> None:
    keda = {"customMetrics": "keda", "keda": {"serverAddress": prometheus}}
    spec = {"autoscaling": {"inFlightPerPod": 2}}
    expression = in_flight_query(resolved(tmp_path, spec, {"metrics": keda}))

    def total() -> float:
        answer = requests.get(f"{prometheus}/api/v1/query", {"query": expression}, timeout=20)
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    eventually(total, lambda found: abs(found - sum(CALLERS.values())) < 0.8)
