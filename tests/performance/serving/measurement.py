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
from tests.performance.serving.contender import Contender, Order, Rows, Scenario
from tests.performance.serving.process import RunningServer, running
from tests.performance.serving.train import TrainedModel
from tests.performance.serving.venvs import PeerFailedError
from tests.support.ports import free_ports

WARM_UP_SECONDS = 1


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


@dataclass(frozen=True)
class Started:
    """A server that answers rightly, and where its files are."""

    contender: Contender
    order: Order
    server: RunningServer

    def load(self, rows: Rows, *, connections: int, seconds: int) -> wrk.Figures:
        """The figures, after a warm-up that does not count."""
        body = self.order.folder / "body.json"
        body.write_bytes(self.contender.body(rows))
        url = self.contender.url(self.order)
        wrk.measure(url, body, connections=connections, seconds=WARM_UP_SECONDS)
        return wrk.measure(url, body, connections=connections, seconds=seconds)


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
            result.memory_megabytes = run.server.memory_megabytes()
            for scenario in scenarios:
                rows = model.rows[: scenario.rows]
                figures = run.load(rows, connections=scenario.connections, seconds=seconds)
                result.figures[scenario] = figures
    except PeerFailedError as error:
        result.problem = str(error)
    shutil.rmtree(folder, ignore_errors=True)
    return result


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
