"""Each fault of a whole cluster once: what was answered meanwhile is in Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.clusters import TestCluster
from tests.faults.cluster_faults import CLUSTER_FAULTS, ClusterFault, run_on
from tests.faults.cluster_stage import Stage, set_up
from tests.faults.fault import problems
from tests.support.kafka import KafkaCluster
from tests.support.mlflow_server import MlflowServer


@pytest.fixture(scope="module")
def stage(
    cluster: TestCluster,
    registry: MlflowServer,
    kafka: KafkaCluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    if not cluster.ingress:
        pytest.skip(f"{cluster.kind}: no ingress controller is reached from here")
    with set_up(tmp_path_factory.mktemp("faults"), cluster, registry, kafka) as found:
        yield found


@pytest.mark.parametrize("fault", CLUSTER_FAULTS, ids=lambda fault: fault.row.name)
def test_what_was_answered_is_in_kafka(
    stage: Stage, fault: ClusterFault, record_property: Callable[[str, object], None]
) -> None:
    reason = fault.obstacle(stage)
    if reason is not None:
        pytest.skip(reason)
    outcome = run_on(stage, fault)
    record_property(fault.row.title, outcome.words)
    assert problems(fault.recovers_within, fault.row, outcome) == []
    assert outcome.answered > 100
