"""The provider itself: Pulumi's calls on one side, the Kubernetes API on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.support.kubernetes_client import ApiError
from tests.support.kubernetes_provider.answers import failed_to_initialize, state_of, told
from tests.support.kubernetes_provider.applying import (
    create,
    is_patch,
    preview_create,
    preview_update,
    relinquish,
    update,
)
from tests.support.kubernetes_provider.awaiting import (
    NotReadyError,
    Waiting,
    check_ready,
    wait_until_gone,
    wait_until_ready,
)
from tests.support.kubernetes_provider.properties import (
    Data,
    as_declared,
    changed_paths,
    has_unknowns,
    read,
    unwrapped,
    with_written_strings,
    write,
)
from tests.support.kubernetes_provider.replacing import replaces, replacing_fields
from tests.support.kubernetes_provider.session import ConfigurationError, Session

_FIELD_MANAGER = "pulumi.com/patchFieldManager"
_WORKERS = 256
"""Each object that is awaited holds one."""
_KINDS = {
    "add": provider_pb2.PropertyDiff.ADD,
    "delete": provider_pb2.PropertyDiff.DELETE,
    "update": provider_pb2.PropertyDiff.UPDATE,
}


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Creates, reads, updates and deletes plain Kubernetes objects."""

    def __init__(self, *, waits: bool) -> None:
        self._waits = waits
        # The engine opens a connection for each provider resource of each run.
        self._folders: dict[str, Path] = {}
        self._sessions: dict[str, Session] = {}

    def Handshake(self, request: Any, context: Any) -> Any:
        self._folders[context.peer()] = Path(request.program_directory)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, context: Any) -> Any:
        return Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="4.34.2")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Settings are updated in place; another active cluster, which would replace, is not told."""
        olds, news = read(request.old_inputs), read(request.news)
        changed = [key for key in {*olds, *news} if olds.get(key) != news.get(key)]
        response = provider_pb2.DiffResponse
        changes = response.DIFF_SOME if changed else response.DIFF_NONE
        return response(changes=changes, diffs=sorted(changed))

    def Configure(self, request: Any, context: Any) -> Any:
        folder = self._folders.get(context.peer(), Path())
        try:
            session = Session(unwrapped(read(request.args)), folder)
        except (ApiError, ConfigurationError, OSError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise AssertionError from error
        self._sessions[context.peer()] = session
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        """What is declared against what was live when it was last written or read."""
        news = unwrapped(read(request.news))
        changes = changed_paths(unwrapped(read(request.olds)), news)
        fields = replacing_fields(
            news, patch=is_patch(request.urn, news), mutable=self._session(context).mutable
        )
        replacing = [path for path in changes if replaces(path, fields)]
        same_object = _identity(news) == request.id
        response = provider_pb2.DiffResponse
        return response(
            changes=response.DIFF_SOME if changes else response.DIFF_NONE,
            diffs=sorted({path.split(".")[0] for path in changes}),
            replaces=replacing,
            deleteBeforeReplace=bool(replacing) and same_object,
            hasDetailedDiff=True,
            detailedDiff={
                path: provider_pb2.PropertyDiff(kind=_KINDS[kind], inputDiff=True)
                for path, kind in changes.items()
            },
        )

    def Create(self, request: Any, context: Any) -> Any:
        session, inputs = self._session(context), read(request.properties)
        body = unwrapped(inputs)
        patch = is_patch(request.urn, body)
        refused = (
            f'resource "{request.urn}" was not successfully created by the Kubernetes API server'
        )
        if request.preview:
            if not (has_unknowns(body) or patch or not session.client.serves(body)):
                with told(context, refused):
                    preview_create(session, body)
            return provider_pb2.CreateResponse(id="", properties=request.properties)
        manager = _field_manager(request.urn, body, {})
        with told(context, refused):
            live = create(session, body, manager, patch=patch)
        try:
            live = self._wait(session, body, live, request.timeout)
        except NotReadyError as error:
            words = f'resource "{request.urn}" was successfully created, but the Kubernetes API server reported that it failed to fully initialize or become live: {error}'
            state = state_of(inputs, session.client.get(body) or live, manager)
            failed_to_initialize(context, _identity(body), words, error.reasons, state)
        state = state_of(inputs, live, manager)
        return provider_pb2.CreateResponse(id=_identity(body), properties=state)

    def Update(self, request: Any, context: Any) -> Any:
        session, inputs = self._session(context), read(request.news)
        body = unwrapped(inputs)
        old = read(request.olds)
        manager = _field_manager(request.urn, body, old)
        try:
            if request.preview:
                if session.client.serves(body) and not has_unknowns(body):
                    preview_update(session, body, manager)
                return provider_pb2.UpdateResponse(properties=request.news)
            patch = is_patch(request.urn, body)
            live = update(session, body, manager, patch=patch)
            live = self._wait(session, body, live, request.timeout)
        except (ApiError, NotReadyError) as error:
            # Whatever failed: what is declared counts as written, and is tried again.
            found = session.client.get(body)
            if found is None:
                words = f'update of resource "{request.urn}" failed: {error}'
                context.abort(grpc.StatusCode.UNKNOWN, words)
            words = f'the Kubernetes API server reported that "{_identity(body)}" failed to fully initialize or become live: {error}'
            reasons = error.reasons if isinstance(error, NotReadyError) else []
            state = state_of(inputs, found or {}, manager)
            failed_to_initialize(context, _identity(body), words, reasons, state)
            raise AssertionError from error
        before = _field_manager(request.urn, {"metadata": {}}, old)
        if before != manager:
            with told(context, "update"):
                relinquish(session.client, body, before)
        return provider_pb2.UpdateResponse(properties=state_of(inputs, live, manager))

    def Read(self, request: Any, context: Any) -> Any:
        session, inputs = self._session(context), read(request.inputs)
        body = unwrapped(inputs)
        with told(context, request.id):
            live = session.client.get(body) if session.client.serves(body) else None
        if live is None:
            return provider_pb2.ReadResponse()
        manager = _field_manager(request.urn, body, read(request.properties))
        state = state_of(inputs, live, manager)
        seen = write(as_declared(inputs, with_written_strings(live)))
        if self._waits:
            try:
                check_ready(session.client, body)
            except NotReadyError as error:
                failed_to_initialize(context, request.id, str(error), error.reasons, state, seen)
        return provider_pb2.ReadResponse(id=request.id, properties=state, inputs=seen)

    def Delete(self, request: Any, context: Any) -> Any:
        session, state = self._session(context), read(request.properties)
        body = unwrapped(read(request.old_inputs) or state)
        with told(context, ""):
            if not session.client.serves(body):
                return Empty()
            if is_patch(request.urn, body):
                relinquish(session.client, body, _field_manager(request.urn, body, state))
                return Empty()
            session.client.delete(body, has_controllers=self._waits)
        if self._waits:
            try:
                wait_until_gone(session.client, body, Waiting(request.timeout, session.cancelled))
            except NotReadyError as error:
                reasons, kept = error.reasons, request.properties
                failed_to_initialize(context, request.id, str(error), reasons, kept)
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """End what is being waited for; what was made stays in the state, as partly created."""
        if context.peer() in self._sessions:
            self._sessions[context.peer()].cancelled.set()
        return Empty()

    def _wait(self, session: Session, body: Data, live: Data, timeout: float) -> Data:
        """The object when it is ready."""
        if not self._waits:
            return live
        wait_until_ready(session.client, body, Waiting(timeout, session.cancelled))
        return session.client.get(body) or live

    def _session(self, context: Any) -> Session:
        session = self._sessions.get(context.peer())
        if session is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the provider is not configured")
            raise AssertionError
        return session


def _field_manager(urn: str, body: Data, state: Data) -> str:
    """The manager of one resource: what it asks for, else a name of its own, kept in its state."""
    if asked := body["metadata"].get("annotations", {}).get(_FIELD_MANAGER):
        return str(asked)
    random = hashlib.sha256(urn.encode()).hexdigest()[:8]
    return str(state.get("__fieldManager") or f"pulumi-kubernetes-{random}")


def _identity(body: Data) -> str:
    metadata = body["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))


@contextmanager
def serving_provider(*, waits: bool = False) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1; yields the value for PULUMI_DEBUG_PROVIDERS.

    With `waits` an update lasts until a Deployment is rolled out, as with Pulumi's own plugin;
    that takes a cluster with controllers.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_WORKERS),
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
