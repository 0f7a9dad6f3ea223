"""What a Service and an Ingress are awaited for; a Deployment is in test_provider_waits.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.small_stacks import METADATA
from tests.support.apiserver import ApiServer
from tests.support.kubernetes_provider import readiness
from tests.support.kubernetes_provider.awaiting import NotReadyError, Waiting, wait_until_ready

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": METADATA,
    "spec": {"selector": {"app": "small"}, "ports": [{"port": 80}]},
}
ENDPOINTS = {"apiVersion": "v1", "kind": "Endpoints", "metadata": METADATA}
BACKEND = {"service": {"name": "small", "port": {"number": 80}}}
PATH = {"path": "/", "pathType": "Prefix", "backend": BACKEND}
INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": METADATA,
    "spec": {"rules": [{"http": {"paths": [PATH]}}]},
}
ADDRESS = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}


@pytest.fixture(autouse=True)
def objects(apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Service and an Ingress before it, whose endpoints settle quickly."""
    monkeypatch.setattr(readiness, "_SETTLE_SECONDS", 0.6)
    for body in (SERVICE, INGRESS):
        apiserver.client.create(body)
    yield
    for body in (SERVICE, INGRESS, ENDPOINTS):
        apiserver.client.delete(body)


def wait(apiserver: ApiServer, body: dict[str, Any], seconds: float = 2) -> None:
    wait_until_ready(apiserver.client, body, Waiting(seconds, threading.Event()))


def endpoints(apiserver: ApiServer, key: str) -> None:
    subsets = [{key: [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]
    apiserver.client.apply(ENDPOINTS | {"subsets": subsets})


def test_a_service_waits_until_no_endpoint_is_unready(apiserver: ApiServer) -> None:
    with pytest.raises(NotReadyError, match="'small' timed out waiting to be Ready") as failed:
        wait(apiserver, SERVICE)
    assert "Service does not target any Pods" in failed.value.reasons[0]
    endpoints(apiserver, "notReadyAddresses")
    with pytest.raises(NotReadyError):
        wait(apiserver, SERVICE)
    endpoints(apiserver, "addresses")
    wait(apiserver, SERVICE, seconds=20)


def test_an_ingress_waits_for_an_address(apiserver: ApiServer) -> None:
    """For its Services only until their endpoints should have come."""
    with pytest.raises(NotReadyError) as failed:
        wait(apiserver, INGRESS)
    assert failed.value.reasons[0].startswith("Ingress .status.loadBalancer field was not updated")
    apiserver.client.patch(INGRESS, ADDRESS, subresource="status")
    wait(apiserver, INGRESS, seconds=20)


def test_a_service_without_pods_of_its_own_is_not_awaited(apiserver: ApiServer) -> None:
    apiserver.client.patch(SERVICE, {"spec": {"selector": None}})
    wait(apiserver, SERVICE)
