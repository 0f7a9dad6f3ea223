"""Small programs of the tests' own on the engine, and what the provider stand-in is asked with them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import automation

from tests.support.apiserver import CONTEXT, ApiServer

METADATA = {"name": "small", "namespace": "default"}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": METADATA}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": METADATA}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "small"}}


def provider(apiserver: ApiServer, name: str = "cluster", **settings: Any) -> kubernetes.Provider:
    """A provider on the tests' API server."""
    return kubernetes.Provider(
        name,
        kubeconfig=str(apiserver.kubeconfig),
        context=CONTEXT,
        enable_server_side_apply=True,
        **settings,
    )


def on(apiserver: ApiServer, **settings: Any) -> pulumi.ResourceOptions:
    """The options of a resource on the tests' API server."""
    return pulumi.ResourceOptions(provider=provider(apiserver, **settings))


@contextmanager
def stack_of(program: Callable[[], None]) -> Iterator[automation.Stack]:
    """A stack that leaves nothing to the next test, even where this one fails."""
    stack = automation.create_or_select_stack("small", "servestack-small", program)
    _ask_less(stack)
    try:
        yield stack
    finally:
        stack.destroy()
        # A program whose update failed leaves a coroutine that raises when it is collected. Inside
        # of an import that breaks Python 3.11's parser (python/cpython#106905).
        gc.collect()


def _ask_less(stack: automation.Stack) -> None:
    """Take an update's counts from its events, and ask for no outputs: there are none.

    The Automation API runs the CLI three times after each update, to read its history and outputs.
    """
    changes: dict[Any, int] = {}

    def take(event: Any) -> None:
        if event.summary_event:
            changes.clear()
            changes.update(event.summary_event.resource_changes)

    def info(show_secrets: bool = True) -> automation.UpdateSummary:
        now = datetime.now(UTC)
        return automation.UpdateSummary(
            "update", now, "", {}, {}, "succeeded", resource_changes=dict(changes)
        )

    def outputs(stack_name: str) -> automation.OutputMap:
        return {}

    stack.info = info  # type: ignore[method-assign]
    stack.workspace.stack_outputs = outputs  # type: ignore[method-assign]
    for verb in ("up", "refresh", "destroy"):
        setattr(stack, verb, partial(getattr(stack, verb), on_event=take))


def config_map(
    apiserver: ApiServer, data: dict[str, str], *, patch: bool = False, **settings: Any
) -> Callable[[], None]:
    """A program of one ConfigMap; `settings` are the provider's."""
    core = kubernetes.core.v1
    resource = core.ConfigMapPatch if patch else core.ConfigMap

    def program() -> None:
        resource("small", metadata=METADATA, data=data, opts=on(apiserver, **settings))

    return program


def deployment_spec(labels: dict[str, str], env: list[dict[str, Any]]) -> dict[str, Any]:
    """The least that a Deployment can be."""
    containers = [{"name": "server", "image": "server:1", "env": env}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {"selector": {"matchLabels": labels}, "template": template}


def counts(result: automation.UpResult | automation.RefreshResult) -> dict[str, int]:
    """Operation → how many resources."""
    changes = result.summary.resource_changes or {}
    return {str(getattr(op, "value", op)): count for op, count in changes.items()}


def resources_of(stack: automation.Stack) -> list[dict[str, Any]]:
    """The resources of the cluster that the state holds."""
    held = (stack.export_stack().deployment or {}).get("resources", [])
    return [r for r in held if r["type"].startswith("kubernetes:")]
