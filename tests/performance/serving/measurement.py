"""One server measured: started, checked, loaded, ended."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.performance.serving import wrk
from tests.performance.serving.contender import Contender, Order, Scenario
from tests.performance.serving.memory import resident_bytes
from tests.performance.serving.process import RunningServer, running
from tests.performance.serving.quiet import Watch
from tests.performance.serving.train import TrainedModel
from tests.performance.serving.venvs import PeerFailedError
from tests.support.ports import free_ports

WARM_UP_SECONDS = 1
QUIET_SHARE = 0.1
TRIES = 3


@dataclass
class Result:
    """Of one server with one model. `problem` is why figures are missing."""

    contender: str
    kind: str
    model: str
    ready_seconds: float = 0.0
    memory_megabytes: float = 0.0
    problem: str = ""
    figures: dict[Scenario, wrk.Figures] = field(default_factory=dict)
    others_share: dict[Scenario, float] = field(default_factory=dict)
    """Of one core, what other work on the machine took meanwhile."""


@dataclass
class Started:
    """A server that answers rightly, where its files are, and how often it has answered wrk."""

    contender: Contender
    order: Order
    server: RunningServer
    answers: int = 0

    def load(self, scenario: Scenario, seconds: int) -> wrk.Figures:
        """The figures, after a warm-up that does not count."""
        bodies = self.order.folder / "bodies.jsonl"
        each = scenario.bodies(self.order.model.rows)
        bodies.write_bytes(b"".join(self.contender.body(rows) + b"\n" for rows in each))
        self._post(bodies, scenario, WARM_UP_SECONDS)
        return self._post(bodies, scenario, seconds)

    def _post(self, bodies: Path, scenario: Scenario, seconds: int) -> wrk.Figures:
        url = self.contender.url(self.order)
        figures = wrk.measure(url, bodies, connections=scenario.connections, seconds=seconds)
        self.answers += figures.requests
        return figures


@contextmanager
def started(contender: Contender, model: TrainedModel, folder: Path) -> Iterator[Started]:
    """The server, its answers checked. The folder is made, and left to the caller."""
    folder.mkdir(parents=True)
    order = Order(model, free_ports(1)[0], folder)
    with running(contender.launch(order), folder / "server.log") as server:
        check(contender, order)
        yield Started(contender, order, server)


def measure(
    contender: Contender,
    model: TrainedModel,
    scenarios: Sequence[Scenario],
    folder: Path,
    seconds: int,
) -> Result:
    """All scenarios on one start; the start before it only brings its files into memory."""
    result = Result(contender.name, contender.kind, model.name)
    try:
        with started(contender, model, folder / "first"):
            pass
        with started(contender, model, folder / "second") as run:
            result.ready_seconds = run.server.ready_seconds
            result.memory_megabytes = resident_bytes(run.server.processes()) / 2**20
            for scenario in scenarios:
                figures, others = least_disturbed(run, scenario, seconds)
                result.figures[scenario], result.others_share[scenario] = figures, others
    except PeerFailedError as error:
        result.problem = str(error)
    shutil.rmtree(folder, ignore_errors=True)
    return result


def least_disturbed(run: Started, scenario: Scenario, seconds: int) -> tuple[wrk.Figures, float]:
    """Figures, and the share of a core that others had; again where that was much."""
    tries = []
    for _ in range(TRIES):
        watch = Watch(run.server.processes())
        figures = run.load(scenario, seconds)
        tries.append((watch.others_share(), figures))
        if tries[-1][0] <= QUIET_SHARE:
            break
    others, figures = min(tries, key=lambda made: made[0])
    return figures, others


def check(contender: Contender, order: Order) -> None:
    """PeerFailedError where a row alone, or many at once, get another class than the model's."""
    if contender.classes is None:
        return
    model = order.model
    for first, last in ((0, 1), (1, 2), (2, 3), (0, len(model.rows))):
        answer = _post(contender.url(order), contender.body(model.rows[first:last]))
        try:
            classes = contender.classes(json.loads(answer))
        except (ValueError, KeyError, TypeError, IndexError):
            raise PeerFailedError(f"answer not understood: {answer[:200]!r}") from None
        if classes != model.classes[first:last]:
            wrong = [index for index, right in enumerate(model.classes[first:last])
                     if classes[index : index + 1] != [right]]  # fmt: skip
            raise PeerFailedError(f"wrong classes for {len(wrong)} of {last - first} rows")


def _post(url: str, body: bytes) -> bytes:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.request("POST", address.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise PeerFailedError(f"no answer: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise PeerFailedError(f"status {response.status}: {answer[:200]!r}")
    return answer
