"""What autoscalers ask Prometheus for is the number of requests in flight.

Two model servers are the pods, and a real Prometheus scrapes them: it gets the query of the rule for
prometheus-adapter that ships, and that of KEDA's trigger.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from serving_image.tests.api.owned_model import SLOW, own_iris
from serving_image.tests.support.iris import train_iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack.manifests.autoscaling import in_flight_query
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


def asked(prometheus: str, expression: str) -> dict[str, float]:
    """The value of each pod, or of all together under an empty name; empty while it starts."""
    try:
        answer = requests.get(f"{prometheus}/api/v1/query", {"query": expression}, timeout=20)
    except requests.ConnectionError:
        return {}  # It starts.
    found = answer.json()["data"]["result"] if answer.status_code == 200 else []
    return {sample["metric"].get("pod", ""): float(sample["value"][1]) for sample in found}


def eventually(ask: Any, is_right: Any) -> Any:
    deadline = time.monotonic() + _SECONDS
    while not is_right(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


def test_the_adapters_rule_gives_the_mean_of_each_pod(prometheus: str) -> None:
    """The query as prometheus-adapter fills it in for `pods/*` of a namespace."""
    (rule,) = yaml.safe_load((REPOSITORY / "monitoring/adapter/config.yaml").read_text())["rules"]
    series, _, _ = rule["seriesQuery"].partition("{")
    expression = rule["metricsQuery"]
    for name, value in {
        "Series": series,
        "LabelMatchers": f'namespace="{NAMESPACE}",pod=~"iris-a|iris-b"',
        "GroupBy": "pod",
    }.items():
        assert f"<<.{name}>>" in expression
        expression = expression.replace(f"<<.{name}>>", value)

    def near(found: dict[str, float]) -> bool:
        """The scrape itself is no load: the gauge would show one more in each pod."""
        return found.keys() == CALLERS.keys() and all(
            abs(found[pod] - count) < 0.4 for pod, count in CALLERS.items()
        )

    eventually(lambda: asked(prometheus, expression), near)
    assert asked(prometheus, rule["seriesQuery"]).keys() == CALLERS.keys()


def test_kedas_query_gives_the_mean_of_all_pods(prometheus: str, tmp_path: Path) -> None:
    keda = {"customMetrics": "keda", "keda": {"serverAddress": prometheus}}
    spec = {"autoscaling": {"inFlightPerPod": 2}}
    expression = in_flight_query(resolved(tmp_path, spec, {"metrics": keda}))
    total = sum(CALLERS.values())
    eventually(
        lambda: asked(prometheus, expression),
        lambda found: found.keys() == {""} and abs(found[""] - total) < 0.8,
    )
