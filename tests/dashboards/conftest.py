"""Two models under load: one with two versions, errors, bursts and lost events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tools.dashboards.grafana import Prometheus, View

from tests.dashboards.load import Callers
from tests.dashboards.system import Pod, System, running_system
from tests.support.ports import free_ports

SCRAPE_SECONDS = 1.0
RATE = 20.0
DISK_BUDGET = "1Mi"
ROUNDS = 6
"""Bursts, each followed by ROUND_SECONDS: the rates of the rendered queries look back 20 s."""
ROUND_SECONDS = 2.5


class Watched:
    """The system after its load, and its dashboards as somebody sees them then."""

    def __init__(self, system: System, views: dict[str, View]) -> None:
        self.system, self.views = system, views

    def view(self, board: str, **chosen: str) -> View:
        """A dashboard; `chosen` are values of its variables."""
        view = self.views[board]
        wanted = {name: [value] for name, value in chosen.items()}
        return View(view.board, view.prometheus, view.start, view.end, wanted)


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The boards "model-service" (of iris) and "fleet", while the servers still run."""
    ports = free_ports(3)
    pods = [
        Pod("iris-a", "iris", "3", ports[0]),
        Pod("iris-b", "iris", "4", ports[1], "canary"),
        Pod("churn-a", "churn", "1", ports[2]),
    ]
    folder = tmp_path_factory.mktemp("dashboards")
    with running_system(
        folder, ["iris", "churn"], pods, scrape_seconds=SCRAPE_SECONDS, disk_budget=DISK_BUDGET
    ) as system:
        system.start("iris-a", "iris-b", "churn-a")
        begin = time.time()
        system.admit("iris-a", "churn-a")
        callers = {model: Callers(system, model, RATE) for model in system.services}
        for one in callers.values():
            one.start()
        _wait_for_marks(begin)
        callers["iris"].fill_log(2 << 20)
        system.admit("iris-b")
        for _ in range(ROUNDS):
            callers["iris"].burst()
            time.sleep(ROUND_SECONDS)
        end = time.time()
        for one in callers.values():
            one.stop()
        boards: dict[str, Any] = {"model-service": system.board("iris"), "fleet": system.fleet()}
        views = {
            name: View(json.loads(text), Prometheus(system.prometheus.address), begin, end)
            for name, text in boards.items()
        }
        yield Watched(system, views)


def _wait_for_marks(begin: float) -> None:
    """Until the step of 15 s is over in which the first versions appear: marks are one a step."""
    time.sleep(max(0.0, (begin // 15 + 1) * 15 + 1 - time.time()))
