"""Objects that are gone, refused in a preview, or kept; and which fields replace an object."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi import automation

from tests.engine.small_stacks import (
    CONFIG_MAP,
    METADATA,
    config_map,
    counts,
    provider,
    resources_of,
    stack_of,
)
from tests.support.apiserver import ApiServer
from tests.support.kubernetes_provider.replacing import replaces, replacing_fields


def test_an_object_that_is_gone(apiserver: ApiServer) -> None:
    """An update fails, a refresh forgets it, a delete does not mind."""
    ours = {"one": "1"}

    def program() -> None:
        config_map(apiserver, ours, enable_config_map_mutable=True)()

    with stack_of(program) as stack:
        stack.up()
        apiserver.client.delete(CONFIG_MAP)
        ours = {"one": "2"}
        with pytest.raises(automation.CommandError, match=r"update of resource .* failed"):
            stack.up()
        assert counts(stack.refresh())["delete"] == 1
        stack.up()
        assert apiserver.client.get(CONFIG_MAP) is not None
        apiserver.client.delete(CONFIG_MAP)


def test_a_preview_refuses_what_the_api_would(apiserver: ApiServer) -> None:
    """Unless it is for a namespace that is not there yet."""
    namespace = "default"

    def program() -> None:
        metadata = {"name": "small", "namespace": namespace}
        opts = pulumi.ResourceOptions(provider=provider(apiserver))
        kubernetes.core.v1.ConfigMap("small", metadata=metadata, data={"a b": ""}, opts=opts)

    with stack_of(program) as stack:
        with pytest.raises(automation.CommandError, match="a valid config key must consist of"):
            stack.preview()
        namespace = "missing"
        assert stack.preview().change_summary == {"create": 3}


def test_retain_on_delete_leaves_the_object(apiserver: ApiServer) -> None:
    def program() -> None:
        opts = pulumi.ResourceOptions(provider=provider(apiserver), retain_on_delete=True)
        kubernetes.core.v1.ConfigMap("small", metadata=METADATA, opts=opts)

    with stack_of(program) as stack:
        stack.up()
        assert len(resources_of(stack)) == 1
    assert apiserver.client.get(CONFIG_MAP) is not None
    apiserver.client.delete(CONFIG_MAP)


@pytest.mark.parametrize(
    ("api_version", "kind", "path", "replaced"),
    [
        ("v1", "Namespace", "metadata.labels", False),
        ("v1", "Namespace", "metadata.name", True),
        ("v1", "ServiceAccount", "automountServiceAccountToken", False),
        ("v1", "ConfigMap", "data.one", True),
        ("v1", "Secret", "stringData.one", True),
        ("v1", "Secret", "type", True),
        ("v1", "Service", "spec.ports[0].port", False),
        ("v1", "Service", "spec.clusterIP", True),
        ("apps/v1", "Deployment", "spec.selector.matchLabels.app", True),
        ("apps/v1", "Deployment", "spec.template.spec.containers[0].image", False),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "spec.scaleTargetRef.name", False),
        ("policy/v1", "PodDisruptionBudget", "spec.selector", False),
        ("networking.k8s.io/v1", "Ingress", "spec.ingressClassName", False),
        ("networking.k8s.io/v1", "NetworkPolicy", "spec.podSelector", False),
        ("monitoring.coreos.com/v1", "PodMonitor", "spec.selector", False),
        ("monitoring.coreos.com/v1", "PodMonitor", "metadata.namespace", True),
    ],
)
def test_what_replaces(api_version: str, kind: str, path: str, replaced: bool) -> None:
    body: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
    assert replaces(path, replacing_fields(body, patch=False, mutable=frozenset())) is replaced


def test_data_changes_in_place_where_the_provider_may_and_the_object_is_not_immutable() -> None:
    def replaced(kind: str, **more: Any) -> bool:
        body = {"apiVersion": "v1", "kind": kind} | more
        mutable = frozenset({"ConfigMap", "Secret"})
        return replaces("data.one", replacing_fields(body, patch=False, mutable=mutable))

    assert [replaced(kind) for kind in ("ConfigMap", "Secret")] == [False, False]
    assert [replaced(kind, immutable=True) for kind in ("ConfigMap", "Secret")] == [True, True]


def test_a_patch_is_replaced_for_its_identity_only() -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment"}
    fields = replacing_fields(body, patch=True, mutable=frozenset())
    assert not replaces("spec.selector", fields)
    assert replaces("metadata.name", fields)
