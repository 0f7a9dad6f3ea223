"""What the product asks of a Kubernetes provider: secrets stay secret, replacing is the exception.

The programs are small ones of the tests' own, because the product's declares no secret and
changes no identity.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import automation

from tests.support.apiserver import CONTEXT, ApiServer

CANARY = "canary-5b1f0c"
ENCODED = base64.b64encode(CANARY.encode()).decode()
METADATA = {"name": "small", "namespace": "default"}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": METADATA}


def on(apiserver: ApiServer) -> pulumi.ResourceOptions:
    provider = kubernetes.Provider(
        "cluster",
        kubeconfig=str(apiserver.kubeconfig),
        context=CONTEXT,
        enable_server_side_apply=True,
    )
    return pulumi.ResourceOptions(provider=provider)


@contextmanager
def stack_of(program: Callable[[], None]) -> Iterator[automation.Stack]:
    """A stack that leaves nothing to the next test, even where this one fails."""
    stack = automation.create_or_select_stack("small", "servestack-small", program)
    try:
        yield stack
    finally:
        stack.destroy()


def deployment_spec(labels: dict[str, str], env: list[dict[str, Any]]) -> dict[str, Any]:
    containers = [{"name": "server", "image": "server:1", "env": env}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {"selector": {"matchLabels": labels}, "template": template}


def counts(result: automation.UpResult | automation.RefreshResult) -> dict[str, int]:
    changes = result.summary.resource_changes or {}
    return {str(getattr(op, "value", op)): count for op, count in changes.items()}


def leaks(state: Path) -> list[str]:
    """Files of the backend in which the canary can be read."""
    texts = {file: file.read_text(errors="replace") for file in state.rglob("*") if file.is_file()}
    assert any("ciphertext" in text for text in texts.values())
    return [file.name for file, text in texts.items() if CANARY in text or ENCODED in text]


def test_secrets_stay_out_of_the_state(apiserver: ApiServer, state: Path) -> None:
    """A secret that Pulumi is given is only ever ciphertext on disk, also when it is read back."""

    def program() -> None:
        opts = on(apiserver)
        secret = pulumi.Output.secret(CANARY)
        data = {"password": secret}
        kubernetes.core.v1.Secret("small", metadata=METADATA, string_data=data, opts=opts)
        spec = deployment_spec({"app": "small"}, [{"name": "PASSWORD", "value": secret}])
        kubernetes.apps.v1.Deployment("small", metadata=METADATA, spec=spec, opts=opts)

    with stack_of(program) as stack:
        stack.up()
        held = {"apiVersion": "v1", "kind": "Secret", "metadata": METADATA}
        assert (apiserver.client.get(held) or {})["data"]["password"] == ENCODED
        assert leaks(state) == []

        assert set(counts(stack.refresh())) == {"same"}
        assert leaks(state) == []

        env = [{"name": "PASSWORD", "value": CANARY}, {"name": "MORE", "value": "more"}]
        apiserver.client.patch(DEPLOYMENT, {"spec": deployment_spec({"app": "small"}, env)})
        assert counts(stack.refresh())["update"] == 1
        assert leaks(state) == []


def test_what_is_replaced_and_what_is_updated(apiserver: ApiServer) -> None:
    """A name is an identity; a Service's selector may change in place, a Deployment's may not."""
    labels = {"app": "one"}
    name = "one"

    def program() -> None:
        opts = on(apiserver)
        kubernetes.core.v1.ConfigMap("named", metadata=METADATA | {"name": name}, opts=opts)
        service = {"selector": labels, "ports": [{"port": 80}]}
        kubernetes.core.v1.Service("small", metadata=METADATA, spec=service, opts=opts)
        spec = deployment_spec(labels, [])
        kubernetes.apps.v1.Deployment("small", metadata=METADATA, spec=spec, opts=opts)

    with stack_of(program) as stack:
        stack.up()
        labels, name = {"app": "two"}, "two"
        changes = counts(stack.up())
        assert (changes["update"], changes["replace"]) == (1, 2)
        live = apiserver.client.get(DEPLOYMENT) or {}
        assert live["spec"]["selector"]["matchLabels"] == labels
        maps = apiserver.client.list_names("v1", "ConfigMap", "default")
        assert ("one" in maps, "two" in maps) == (False, True)
