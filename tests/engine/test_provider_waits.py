"""What is made is awaited for the whole timeout, and kept with the reasons when it is not ready.

No controller runs behind the tests' API: the tests write the status and the endpoints themselves,
and let go of what is deleted.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi import automation

from tests.engine.small_stacks import (
    DEPLOYMENT,
    METADATA,
    counts,
    deployment_spec,
    provider,
    resources_of,
    stack_of,
)
from tests.support.apiserver import ApiServer
from tests.support.kubernetes_provider import serving_provider

SKIPPED = {"pulumi.com/skipAwait": "true"}
ROLLED_OUT = {
    "observedGeneration": 99,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [],
}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


@pytest.fixture(autouse=True)
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A provider that waits."""
    with serving_provider(waits=True) as address:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", address)
        yield


@contextmanager
def waiting_stack(
    program: Callable[[], None], apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[automation.Stack]:
    """A stack that is taken down without waiting, because no controller deletes dependents."""
    with stack_of(program) as stack:
        yield stack
        with serving_provider() as address:
            monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", address)
            stack.destroy()


def options(apiserver: ApiServer, seconds: int) -> pulumi.ResourceOptions:
    timeouts = pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s")
    return pulumi.ResourceOptions(provider=provider(apiserver), custom_timeouts=timeouts)


def deployment(
    apiserver: ApiServer, seconds: int, annotations: dict[str, str] | None = None
) -> Callable[[], None]:
    metadata = METADATA | {"annotations": annotations or {}}
    spec = deployment_spec({"app": "small"}, [])

    def program() -> None:
        opts = options(apiserver, seconds)
        kubernetes.apps.v1.Deployment("small", metadata=metadata, spec=spec, opts=opts)

    return program


def in_background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def when_made(apiserver: ApiServer, body: dict[str, Any]) -> None:
    while apiserver.client.get(body) is None:
        time.sleep(0.2)


def test_it_waits_for_its_full_timeout_and_tries_again(
    apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the cluster gave up long before."""

    def gives_up() -> None:
        when_made(apiserver, DEPLOYMENT)
        condition = STUCK | {"message": "gave up"}
        apiserver.client.patch(
            DEPLOYMENT, {"status": {"conditions": [condition]}}, subresource="status"
        )

    with waiting_stack(deployment(apiserver, 6), apiserver, monkeypatch) as stack:
        in_background(gives_up)
        began = time.monotonic()
        with pytest.raises(automation.CommandError) as failed:
            stack.up()
        assert time.monotonic() - began > 6
        assert "reported that it failed to fully initialize or become live" in str(failed.value)
        assert "'small' timed out waiting to be Ready" in str(failed.value)
        (held,) = resources_of(stack)
        assert "Minimum number of live Pods was not attained" in held["initErrors"]
        assert "[ProgressDeadlineExceeded] gave up" in held["initErrors"]

        apiserver.client.patch(DEPLOYMENT, {"status": ROLLED_OUT}, subresource="status")
        assert counts(stack.up())["update"] == 1
        assert "initErrors" not in resources_of(stack)[0]


def test_skip_await(apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    program = deployment(apiserver, 60, SKIPPED)
    with waiting_stack(program, apiserver, monkeypatch) as stack:
        began = time.monotonic()
        stack.up()
        assert time.monotonic() - began < 50


def interrupt_pulumi() -> None:
    """As Ctrl-C does. `pulumi cancel` only takes the lock of a backend in a folder away."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"pulumi") and b"up" in words:
                os.kill(int(pid), signal.SIGINT)


def test_cancel_ends_the_wait_and_keeps_what_was_made(
    apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupts() -> None:
        when_made(apiserver, DEPLOYMENT)
        time.sleep(2)
        interrupt_pulumi()

    with waiting_stack(deployment(apiserver, 300), apiserver, monkeypatch) as stack:
        in_background(interrupts)
        began = time.monotonic()
        with pytest.raises(automation.CommandError):
            stack.up()
        assert time.monotonic() - began < 100
        (held,) = resources_of(stack)
        assert 'Resource operation was cancelled for "small"' in held["initErrors"][0]
