"""Runs a Pulumi program under mocks and keeps what it registers.

Each run has a process of its own: Pulumi keeps its mocks, and whether a program failed, in global
state, and the tests on the real engine must not see it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.support.forked import PROCESSES


@dataclass(frozen=True)
class Registered:
    """One resource, as the engine would get it. Other resources are `type::name`."""

    type: str
    name: str
    parent: str
    provider: str
    dependencies: tuple[str, ...]
    inputs: dict[str, Any]
    wire: str
    """The inputs as they are sent, with secrets marked, as JSON."""
    retained: bool = False
    """Whether the object stays when it is declared no more."""

    @property
    def key(self) -> str:
        return f"{self.type}::{self.name}"


@dataclass
class Run:
    """What a program did: its resources in their order, the stack's outputs, what went wrong."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    raised: str = ""

    def objects(self) -> dict[str, Registered]:
        """Name → resource of the Kubernetes objects."""
        found = [r for r in self.resources if r.type.startswith("kubernetes:")]
        by_name = {resource.name: resource for resource in found}
        if len(by_name) != len(found):
            raise ValueError("two objects have one name")
        return by_name

    def components(self) -> dict[str, Registered]:
        """Name → resource of servestack's own components."""
        return {r.name: r for r in self.resources if r.type.startswith("servestack:")}


def under_mocks(program: Callable[..., None], *arguments: Any, stack: str = "prod") -> Run:
    """Run `program(*arguments)`, a function of a module, as the program of a stack."""
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as pool:
        return pool.submit(_run, program, arguments, stack).result()


def _run(program: Callable[..., None], arguments: tuple[Any, ...], stack: str) -> Run:
    import pulumi
    from google.protobuf.json_format import MessageToDict
    from pulumi.runtime import mocks, rpc

    run = Run()

    class Echo(mocks.Mocks):
        """What is registered comes out as it went in."""

        def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
            return f"{args.name}-id", args.inputs

        def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
            return {}, None

    class Monitor(mocks.MockMonitor):
        """Keeps the requests, which hold more than mocks are told."""

        def RegisterResource(self, request: Any) -> Any:  # noqa: N802 Pulumi's own name
            if request.type != "pulumi:pulumi:Stack":
                run.resources.append(
                    Registered(
                        request.type,
                        request.name,
                        _short(request.parent),
                        _short(request.provider.rpartition("::")[0]),
                        tuple(sorted(map(_short, request.dependencies))),
                        rpc.deserialize_properties(request.object),
                        json.dumps(MessageToDict(request.object), sort_keys=True),
                        request.retainOnDelete,
                    )
                )
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            run.errors.append(record.getMessage())

    logger = logging.Logger("pulumi", logging.ERROR)
    logger.addHandler(Errors())
    mocks.set_mocks(
        Echo(), project="servestack", stack=stack, preview=False, logger=logger,
        monitor=Monitor(Echo()),
    )  # fmt: skip

    # Without this decorator a program that fails in the background passes silently.
    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def test() -> None:
        program(*arguments)
        root: Any = pulumi.runtime.get_root_resource()
        run.outputs = dict(root.outputs)

    try:
        test()
    except Exception as error:  # whatever it is, the test that asked judges it
        run.raised = f"{type(error).__name__}: {error}"
    return run


def _short(urn: str) -> str:
    """`type::name` of an URN; the type without those of its parents."""
    *_, types, name = urn.split("::") if urn else ("", "")
    return f"{types.rpartition('$')[2]}::{name}" if urn else ""
