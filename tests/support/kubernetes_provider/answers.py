"""How the provider answers: the state of an object, a refusal, an object that is there but not ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status
from pulumi.runtime.proto import provider_pb2

from tests.support.kubernetes_client import ApiError
from tests.support.kubernetes_provider.properties import (
    Data,
    as_declared,
    with_written_strings,
    write,
)


def state_of(inputs: Data, live: Data, manager: str) -> Any:
    """What Pulumi keeps: the live values of what was declared, and who applied them."""
    return write(as_declared(inputs, with_written_strings(live)) | {"__fieldManager": manager})


def failed_to_initialize(
    context: Any, identity: str, words: str, reasons: list[str], state: Any, inputs: Any = None
) -> None:
    """A partial failure: the engine keeps the object with the reasons, and tries again next time."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=identity, properties=state, reasons=[words, *reasons], inputs=inputs
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=words)
    status.details.add().Pack(detail)
    context.abort_with_status(rpc_status.to_status(status))


@contextmanager
def told(context: Any, about: str) -> Iterator[None]:
    """Pass on the API's own words as the call's error."""
    try:
        yield
    except ApiError as error:
        context.abort(grpc.StatusCode.UNKNOWN, f"{about}: {error}".removeprefix(": "))
