"""What the product asks of a Kubernetes provider: secrets stay secret, replacing is the exception.

The programs are small ones of the tests' own, because the product's declares no secret and
changes no identity.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from tests.engine.small_stacks import DEPLOYMENT, METADATA, counts, deployment_spec, on, stack_of
from tests.support.apiserver import ApiServer

CANARY = "canary-5b1f0c"
ENCODED = base64.b64encode(CANARY.encode()).decode()


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
