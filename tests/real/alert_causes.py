"""For each alert of monitoring/rules, what really brings it about: one row each in CAUSES.

A cause acts on a real server of a model of its own, from the beginning of its `with` block to the
end. After the block the trouble is over, and the alert has to resolve.
"""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.api.owned_model import SLOW
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer

import servestack
from servestack.manifests import names
from servestack.manifests.log_shipping import filebeat_config
from servestack.profiling import TrainingProfile
from servestack.resolve.resolved import ResolvedService
from tests.support.filebeat import local_config, running_filebeat
from tests.support.kafka import USERNAME, KafkaCluster
from tests.support.services import NULL

FAILING = """
class Owner:
    '''Fails on rows that begin with more than 90.'''

    def predict(self, inputs, model):
        if inputs[0][0] > 90:
            raise RuntimeError("out of order")
        return model.predict(inputs)
"""


@dataclass
class Stage:
    """A model with its server, and what a cause may use. `kafka` answers from the start.

    `folder` is the stage's own; `model` is the folder of the artifact, which others may use too.
    """

    service: ResolvedService
    folder: Path
    model: Path
    iris: Iris
    kafka: KafkaCluster
    start: Callable[[], AbstractContextManager[RunningServer]]
    servers: ExitStack = field(default_factory=ExitStack)

    def up(self) -> None:
        self.server = self.servers.enter_context(self.start())

    def down(self) -> None:
        self.servers.close()

    def predict(self, *rows: list[float]) -> int:
        """A request's status."""
        path = f"/v1/{self.service.name}/predict"
        return self.server.post(path, list(rows)).status

    def metric(self, name: str) -> float:
        """The sum of a metric's samples, as scraped now."""
        text = self.server.get("/metrics").body.decode()
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        return sum(sample.value for sample in samples if sample.name == name)

    @contextmanager
    def calling(
        self, call: Callable[[], Any], callers: int = 1, pause: float = 0
    ) -> Iterator[None]:
        """Callers that repeat a call until the block ends."""
        stopped = threading.Event()
        broken: list[Exception] = []

        def repeat() -> None:
            while not stopped.is_set():
                try:
                    call()
                except Exception as error:
                    broken.append(error)
                    return
                stopped.wait(pause)

        threads = [threading.Thread(target=repeat, daemon=True) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
            if broken:
                raise broken[0]


@dataclass(frozen=True)
class Cause:
    """`spec` is what the model's file says besides the usual, `code` a class of its owner.

    `profile` makes the profile that the artifact brings. `fires` has some labels of each alert that
    must fire: rules of one name differ in them. `also` names alerts that the same trouble raises as
    well.
    """

    acting: Callable[[Stage], AbstractContextManager[None]]
    spec: dict[str, Any]
    code: str | None = None
    profile: Callable[[Iris], TrainingProfile] | None = None
    fires: tuple[dict[str, str], ...] = ({},)
    also: frozenset[str] = frozenset()


@contextmanager
def _server_gone(stage: Stage) -> Iterator[None]:
    stage.down()
    yield
    stage.up()


@contextmanager
def _more_requests_than_a_slow_model_works_off(stage: Stage) -> Iterator[None]:
    with stage.calling(lambda: stage.predict([92.0, 1, 1, 1]), callers=12):  # 0.2 seconds each
        yield


@contextmanager
def _no_file_may_grow(stage: Stage) -> Iterator[None]:
    """Requests are answered, and writing their events fails as on a full disk."""

    process = stage.server.process.pid
    soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (0, hard))
    try:
        with _answering(stage, stage.iris.rows):
            yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _kafka_hangs(stage: Stage) -> Iterator[None]:
    """The rendered Filebeat ships to a real broker, which says nothing until the block ends."""
    service, kafka = stage.service, stage.kafka
    kafka.create_topics(service.name)
    text = filebeat_config(service)
    text = text.replace(names.KAFKA_CA_FOLDER, str(kafka.ca.parent))
    config = local_config(stage.folder, text)
    config["output.kafka"] |= {"username": USERNAME, "password": kafka.password}
    with kafka.hanging():
        stage.servers.enter_context(running_filebeat(stage.folder, config))
        budget = 4 << 20
        while stage.metric("servestack_events_unshipped_bytes") < 0.6 * budget:
            assert stage.predict(*10 * stage.iris.rows) == 200
            time.sleep(0.05)
        yield


@contextmanager
def _the_model_fails(stage: Stage) -> Iterator[None]:
    def fail() -> None:
        assert stage.predict([91.0, 1, 1, 1]) == 500

    with stage.calling(fail, callers=4, pause=0.05):
        yield


@contextmanager
def _the_model_is_slow(stage: Stage) -> Iterator[None]:
    with stage.calling(lambda: stage.predict([97.0, 1, 1, 1]), callers=32):  # 0.7 seconds each
        yield


@contextmanager
def _callers_send_what_the_spec_does_not_allow(stage: Stage) -> Iterator[None]:
    """All rows of the training data are among those that are answered, so nothing drifts."""
    rows = itertools.cycle(stage.iris.rows)

    def odd() -> None:
        assert stage.predict(next(rows)) == 200
        assert stage.predict([5.1, 3.5, 1.4, 1000.0]) == 422

    with stage.calling(odd, pause=0.03):
        yield


@contextmanager
def _answering(stage: Stage, rows: Sequence[list[float]]) -> Iterator[None]:
    """The server answers these rows again and again: the fewest that an alert needs in seconds."""

    def ask() -> None:
        assert stage.predict(*rows) == 200

    with stage.calling(ask, pause=0.2):
        yield


@contextmanager
def _one_column_moves(stage: Stage) -> Iterator[None]:
    """All sepals are a centimetre shorter, and no answer is another one."""
    with _answering(stage, [[length - 1, *others] for length, *others in stage.iris.rows]):
        yield


@contextmanager
def _columns_move_together(stage: Stage) -> Iterator[None]:
    """Each column has the values of the training data, and almost all answers are one class.

    Long petals are narrow here. So inputs do not drift, looked at one by one.
    """
    *others, widths = (sorted(column) for column in zip(*stage.iris.rows, strict=True))
    rows = [list(row) for row in zip(*others, reversed(widths), strict=True)]
    with _answering(stage, rows):
        yield


@contextmanager
def _the_profile_is_of_another_model(stage: Stage) -> Iterator[None]:
    """Until a right one takes its place, and the server is started again."""
    with _answering(stage, stage.iris.rows):
        yield
    _profile_of_the_training_data(stage.iris).save(stage.model)
    stage.down()
    stage.up()


def _profile_of_the_training_data(iris: Iris) -> TrainingProfile:
    return servestack.profile(_named(iris.rows, COLUMNS), iris.classes)


def _profile_of_another_model(iris: Iris) -> TrainingProfile:
    """One of its columns has another name, and its answers are a probability for each class."""
    probabilities = [[0.8 if kind == own else 0.1 for kind in range(3)] for own in iris.classes]
    return servestack.profile(_named(iris.rows, ("stem_length", *COLUMNS[1:])), probabilities)


def _named(rows: Sequence[list[float]], columns: Sequence[str]) -> list[dict[str, float]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


_COLUMNS = [{"name": name, "type": "double", "minimum": 0, "maximum": 100} for name in COLUMNS]
_BURN_RATES = tuple(
    {"window": window, "severity": severity}
    for window, severity in (("1h", "page"), ("6h", "page"), ("1d", "ticket"), ("3d", "ticket"))
)
_SPANS = ({"window": "1h"}, {"window": "1d"})
_NONE: dict[str, Any] = {"slo": NULL}
_WATCHED: dict[str, Any] = {
    "monitoring": _NONE | {"drift": True},
    "api": {"input": {"columns": _COLUMNS}},
}

CAUSES: dict[str, Cause] = {
    "ModelServiceDown": Cause(_server_gone, {"monitoring": _NONE}),
    "ModelServiceQueueFull": Cause(
        _more_requests_than_a_slow_model_works_off,
        {"monitoring": _NONE, "api": {"limits": {"maxQueue": 12}, "batching": NULL}},
        SLOW,
    ),
    "ModelServiceEventsDropped": Cause(_no_file_may_grow, {"monitoring": _NONE}),
    "ModelServiceEventsUnshipped": Cause(
        _kafka_hangs, {"monitoring": _NONE, "logging": {"diskBudget": "4Mi", "maxEvent": "64Ki"}}
    ),
    "ModelServiceErrors": Cause(
        _the_model_fails, {"monitoring": {"slo": {"availability": 95}}}, FAILING, fires=_BURN_RATES
    ),
    "ModelServiceSlow": Cause(
        _the_model_is_slow,
        {"monitoring": {"slo": {"latency": {"percentile": 95, "milliseconds": 500}}}},
        SLOW,
        fires=_BURN_RATES,
    ),
    "ModelServiceInputRefused": Cause(
        _callers_send_what_the_spec_does_not_allow,
        _WATCHED,
        profile=_profile_of_the_training_data,
    ),
    "ModelServiceInputDrift": Cause(
        _one_column_moves, _WATCHED, profile=_profile_of_the_training_data, fires=_SPANS
    ),
    "ModelServicePredictionDrift": Cause(
        _columns_move_together, _WATCHED, profile=_profile_of_the_training_data, fires=_SPANS
    ),
    "ModelServiceDriftUnwatched": Cause(
        _the_profile_is_of_another_model,
        _WATCHED,
        profile=_profile_of_another_model,
        fires=({"problem": "columns"}, {"reason": "outputs"}),
    ),
}
"""By the alert's name. tests/real/test_alerts.py fails for an alert without one."""
