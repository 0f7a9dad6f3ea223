"""One cluster, one registry and one project for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.clusters import NoClusterError, TestCluster, running_cluster
from tests.cluster.deployment import Deployment, make_project
from tests.support.kubernetes_client import KubernetesClient

if TYPE_CHECKING:
    from tests.support.kafka import KafkaCluster
    from tests.support.mlflow_server import MlflowServer


@pytest.fixture(scope="package")
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestCluster]:
    """A running cluster with both images."""
    from tools.images.build import build, obstacle
    from tools.images.catalogue import filebeat, serving

    reason = obstacle()
    if reason is not None:
        pytest.skip(reason)
    kind = request.config.getoption("--cluster")
    archives = [build(serving()), build(filebeat())]
    try:
        with running_cluster(kind, tmp_path_factory.mktemp("cluster")) as found:
            for archive in archives:
                found.load_image(archive)
            yield found
    except NoClusterError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="package")
def registry(
    cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """An MLflow server that the cluster's pods reach; `iris` has versions 1 and 2."""
    from tests.support.mlflow_server import register_iris, running_mlflow

    with running_mlflow(tmp_path_factory.mktemp("mlflow"), cluster.host) as server:
        register_iris(server.uri, regularization=1000)
        register_iris(server.uri, regularization=1)
        yield server


@pytest.fixture(scope="package")
def kafka(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A Kafka broker that the cluster's pods reach, with the topics of `iris`."""
    from tests.support.kafka import running_kafka

    with running_kafka(tmp_path_factory.mktemp("kafka"), cluster.host) as broker:
        broker.create_topics("iris")
        yield broker


@pytest.fixture(scope="module")
def deployment(
    cluster: TestCluster,
    registry: MlflowServer,
    kafka: KafkaCluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A project with iris, version 1 locked, and Pulumi's engine ready for it."""
    from tests.support.pulumi_settings import pulumi_settings

    root = tmp_path_factory.mktemp("project")
    make_project(root, cluster, registry.uri, kafka)
    (root / "state").mkdir()
    client = KubernetesClient.from_kubeconfig(cluster.kubeconfig, cluster.context)
    with pulumi_settings(root / "pulumi", waits=True) as values:
        environment = {
            **os.environ,
            **values,
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "KUBECONFIG": str(cluster.kubeconfig),
        }
        yield Deployment(root, cluster, registry.uri, client, environment, kafka)
