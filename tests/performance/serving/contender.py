"""What is measured: a server, how it is started, asked and understood."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

from tests.performance.serving.process import Launch
from tests.performance.serving.train import TrainedModel

Rows = list[list[float]]
DIFFERENT_ROWS, DIFFERENT_BATCHES = 64, 4


@dataclass(frozen=True)
class Order:
    """What a contender is to serve, and an empty folder of its own to do it in."""

    model: TrainedModel
    port: int
    folder: Path


@dataclass(frozen=True)
class Contender:
    """`path` holds {model}; `classes` reads an answer, and is None where none is predicted."""

    name: str
    kind: Literal["ours", "peer", "floor"]
    launch: Callable[[Order], Launch]
    path: str
    encode: Callable[[Rows], object]
    classes: Callable[[Any], list[int]] | None

    def url(self, order: Order) -> str:
        return f"http://127.0.0.1:{order.port}{self.path.format(model=order.model.name)}"

    def body(self, rows: Rows) -> bytes:
        return json.dumps(self.encode(rows), separators=(",", ":")).encode()


@dataclass(frozen=True)
class Scenario:
    """One measurement of every contender."""

    model: str
    rows: int
    connections: int

    @property
    def title(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        plural = "" if self.connections == 1 else "s"
        return f"{self.model}, {rows}, {self.connections} connection{plural}"

    def bodies(self, rows: Rows) -> list[Rows]:
        """The rows of each request; they differ, so that nobody can remember an answer."""
        starts = range(DIFFERENT_ROWS if self.rows == 1 else DIFFERENT_BATCHES)
        return [list(islice(cycle(rows), start, start + self.rows)) for start in starts]


ONE = Scenario("iris", 1, 1)
SIXTEEN = Scenario("iris", 1, 16)
BATCHES = Scenario("iris", 1000, 16)
SCENARIOS = (
    ONE,
    SIXTEEN,
    Scenario("iris", 1, 64),
    Scenario("iris", 256, 1),
    Scenario("iris", 256, 16),
    Scenario("wide", 1, 16),
)
