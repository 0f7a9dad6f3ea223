"""What a platform has in its cluster before there are models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servestack.manifests.manifest import Body
from tests.support.apiserver import ApiServer
from tests.support.kafka import KafkaCluster, running_kafka

CLASSES: list[Body] = [
    {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "nvidia"},
        "handler": "nvidia",
    },
    {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "serving"},
        "value": 1000,
    },
]
"""The API refuses pods that name a class which is not there."""


@pytest.fixture
def classes(apiserver: ApiServer) -> Iterator[None]:
    for body in CLASSES:
        apiserver.client.apply(body)
    yield
    for body in CLASSES:
        apiserver.client.delete(body)


@pytest.fixture(scope="package")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Kafka as it is run. Brokers end a connection after three seconds unless its client logs in
    again, so that a password that has changed is felt at once."""
    settings = {"connections.max.reauth.ms": "3000"}
    folder = tmp_path_factory.mktemp("kafka")
    with running_kafka(folder, brokers=3, settings=settings) as cluster:
        yield cluster
