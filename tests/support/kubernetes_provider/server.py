"""The provider itself: Pulumi's calls on one side, server-side apply on the other."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.support.kubernetes_client import ApiError, KubernetesClient
from tests.support.kubernetes_provider.properties import (
    Data,
    as_declared,
    changed_paths,
    has_unknowns,
    read,
    unwrapped,
    write,
)
from tests.support.kubernetes_provider.rollout import wait_until_gone, wait_until_rolled_out

_IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_IMMUTABLE = {"Deployment": ("spec.selector",)}
_KINDS = {
    "add": provider_pb2.PropertyDiff.ADD,
    "delete": provider_pb2.PropertyDiff.DELETE,
    "update": provider_pb2.PropertyDiff.UPDATE,
}


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Creates, reads, updates and deletes plain Kubernetes objects."""

    def __init__(self, *, waits: bool) -> None:
        self._client: KubernetesClient | None = None
        self._waits = waits

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, context: Any) -> Any:
        return Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="4.34.2")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        settings = unwrapped(read(request.args))
        if settings.get("enableServerSideApply") not in ("true", True):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "enableServerSideApply is not set")
        if not settings.get("kubeconfig"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no kubeconfig")
        with _told(context, "provider"):
            self._client = KubernetesClient.from_kubeconfig(
                Path(settings["kubeconfig"]), settings["context"]
            )
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        news = unwrapped(read(request.news))
        changes = changed_paths(unwrapped(read(request.old_inputs)), news)
        replaces = [path for path in changes if _replaces(news["kind"], path)]
        response = provider_pb2.DiffResponse
        return response(
            changes=response.DIFF_SOME if changes else response.DIFF_NONE,
            diffs=sorted({path.split(".")[0] for path in changes}),
            replaces=replaces,
            deleteBeforeReplace=bool(replaces),
            hasDetailedDiff=True,
            detailedDiff={
                path: provider_pb2.PropertyDiff(kind=_KINDS[kind], inputDiff=True)
                for path, kind in changes.items()
            },
        )

    def Create(self, request: Any, context: Any) -> Any:
        inputs = read(request.properties)
        self._apply(inputs, context, preview=request.preview)
        identity = "" if request.preview else _identity(inputs)
        return provider_pb2.CreateResponse(id=identity, properties=request.properties)

    def Update(self, request: Any, context: Any) -> Any:
        self._apply(read(request.news), context, preview=request.preview)
        return provider_pb2.UpdateResponse(properties=request.news)

    def Read(self, request: Any, context: Any) -> Any:
        inputs = read(request.inputs)
        with _told(context, request.id):
            live = self._connected(context).get(unwrapped(inputs))
        if live is None:
            return provider_pb2.ReadResponse()
        seen = write(as_declared(inputs, _with_written_strings(live)))
        return provider_pb2.ReadResponse(id=request.id, properties=seen, inputs=seen)

    def Delete(self, request: Any, context: Any) -> Any:
        body = unwrapped(read(request.old_inputs) or read(request.properties))
        with _told(context, request.id):
            self._connected(context).delete(body, has_controllers=self._waits)
            if self._waits:
                wait_until_gone(self._connected(context), body)
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    def _apply(self, inputs: Data, context: Any, *, preview: bool) -> None:
        if preview:
            # The namespace may be part of the same update, so a dry run would refuse.
            return
        body = unwrapped(inputs)
        if has_unknowns(body):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "inputs are unknown in an update")
        with _told(context, _identity(body)):
            self._connected(context).apply(body)
            if self._waits and body["kind"] == "Deployment":
                wait_until_rolled_out(self._connected(context), body)

    def _connected(self, context: Any) -> KubernetesClient:
        if self._client is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the provider is not configured")
            raise AssertionError
        return self._client


def _identity(body: Data) -> str:
    metadata = unwrapped(body["metadata"])
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))


def _replaces(kind: str, path: str) -> bool:
    fixed = (*_IDENTITY, *_IMMUTABLE.get(kind, ()))
    return any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in fixed)


def _with_written_strings(live: Data) -> Data:
    """The API answers a Secret's `stringData` as base64 in `data`: put it back beside it."""
    if live["kind"] != "Secret":
        return live
    data = live.get("data", {})
    return live | {
        "stringData": {key: b64decode(data[key]).decode(errors="replace") for key in data}
    }


@contextmanager
def _told(context: Any, about: str) -> Iterator[None]:
    """Pass on the API's own words as the call's error."""
    try:
        yield
    except ApiError as error:
        context.abort(grpc.StatusCode.UNKNOWN, f"{about}: {error}")


@contextmanager
def serving_provider(*, waits: bool = False) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1; yields the value for PULUMI_DEBUG_PROVIDERS.

    With `waits` an update lasts until a Deployment is rolled out, as with Pulumi's own plugin;
    that takes a cluster with controllers.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_workers=8),
        options=[("grpc.max_receive_message_length", 400 << 20)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(
        KubernetesProvider(waits=waits), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"kubernetes:{port}"
    finally:
        server.stop(grace=2).wait()
