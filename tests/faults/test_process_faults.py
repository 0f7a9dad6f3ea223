"""Each fault of processes once, for as short as it shows anything; `make faults` runs them ten times.

Tests of one process share the brokers, and the faults that leave these alone run side by side while
the first test waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving_image.tests.support.iris import Iris, train_iris

from tests.faults.process_faults import FAULTS
from tests.faults.runs import Result, run_all
from tests.support.kafka import KafkaCluster, running_kafka

_ROWS = [row for fault in FAULTS for row in fault.rows]


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iris:
    return train_iris(tmp_path_factory.mktemp("iris") / "model")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with running_kafka(tmp_path_factory.mktemp("kafka"), brokers=3) as brokers:
        yield brokers


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, kafka: KafkaCluster, iris: Iris,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Result]:  # fmt: skip
    """A result for each row of which a test was chosen."""
    chosen = {
        item.callspec.params.get("name")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    }
    faults = [fault for fault in FAULTS if chosen & {row.name for row in fault.rows}]
    folder: Path = tmp_path_factory.mktemp("faults")
    found: list[Result] = []
    run_all(faults, 1, kafka, iris, folder, short=True, tell=found.append)
    return {result.row.name: result for result in found}


@pytest.mark.parametrize("name", [row.name for row in _ROWS])
def test_what_was_answered_is_in_kafka_or_counted(
    results: dict[str, Result], name: str, record_property: Callable[[str, object], None]
) -> None:
    result = results[name]
    if result.outcome is None and "not run" in result.problems[0]:
        pytest.skip(result.problems[0])
    assert result.problems == ()
    outcome = result.outcome
    assert outcome is not None and outcome.answered > 100
    record_property(result.row.title, outcome.words)
    # A policy that may drop has dropped: else the fault was none.
    assert (outcome.counted > 0) == result.row.may_drop
