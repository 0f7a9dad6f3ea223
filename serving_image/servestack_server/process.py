"""Runs the server: it loads the models, warms them up, becomes ready, serves and stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

import uvloop
from msgspec import structs

from servestack_contract.artifact import Pin, served_version
from servestack_contract.references import entry_names
from servestack_contract.settings import ServerSettings
from servestack_server.api.dispatch import Dispatch
from servestack_server.api.keys import KeyCheck
from servestack_server.api.routes import build_router
from servestack_server.errors import StartError
from servestack_server.events.answered import Answered
from servestack_server.events.log import EventLog
from servestack_server.events.origin import Origin
from servestack_server.events.prompt_writer import PromptWriter
from servestack_server.events.writer import EventWriter
from servestack_server.http.request_id import new_id
from servestack_server.http.server import HttpServer
from servestack_server.http.state import (
    MAX_BUFFERED_BYTES,
    MAX_CONNECTIONS,
    SPARE_CONNECTIONS,
    State,
)
from servestack_server.input.schema import compile_schema
from servestack_server.memory import memory_bytes
from servestack_server.metrics import ServerMetrics
from servestack_server.models.load import load_model
from servestack_server.models.model import Model
from servestack_server.service import Service
from servestack_server.shadow.traffic_file import TrafficFile
from servestack_server.variant import VariantFile

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.02
"""How long an event may stay in memory with `durability: buffered`. SIGKILL can lose the events of
this time."""
_LOG_SECONDS = 5.0
"""Time for the last events to reach the disk during shutdown."""
_KEYS_SECONDS = 2.0
_VARIANT_SECONDS = 2.0
_SHADOW_SECONDS = 2.0
_COPIES_SECONDS = 1.0
"""Time for the last copies to reach the shadow during shutdown: the kubelet's margin has room for it."""
_OTHER_FILES = 256


def serve(
    settings: ServerSettings,
    pins: Sequence[Pin],
    *,
    spec_digest: str = "",
    host: str = "0.0.0.0",
    port: int | None = None,
    shadow_file: Path | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT.

    `spec_digest` is that of the settings file, for events. `shadow_file` says where copies of requests
    go (see `servestack_contract.shadow`); it may come and go. Returns the exit code: 0, or 1 if requests or events were lost. Raises StartError if the server
    cannot become ready.
    """
    # The event loop sets its own handler later. Until then this one is needed, because the first
    # process of a container ignores a signal without a handler.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Changed keys are read without it.
    _allow_connections()
    schema = compile_schema(settings.input)  # Report its mistakes before minutes of loading.
    sock = _bind(host, settings.port if port is None else port)
    pinned = [_pin_of(place.name, pins) for place in settings.models]
    variant = VariantFile(settings.variant_file)
    metrics = ServerMetrics(settings, served_version(pinned), variant.current)
    metrics.events = _event_writer(settings)
    models = [
        _load(settings, place.name, Path(place.path), pins, metrics) for place in settings.models
    ]
    is_declared = settings.input.is_known
    if not is_declared:
        settings = _with_models_input(settings, models)
        schema = compile_schema(settings.input)
    served = [Pin(model.name, model.version, model.digest) for model in models]
    origin = Origin(variant.current, spec_digest)
    event_log = EventLog(settings, served, metrics.events, origin)
    service = Service(settings, schema, models, metrics, event_log, is_input_declared=is_declared)
    _connect_owners(models, service)
    code: int = uvloop.run(_run(service, sock, variant, TrafficFile(shadow_file)))
    return code


def _with_models_input(settings: ServerSettings, models: Sequence[Model]) -> ServerSettings:
    """Describe the input as the first model that gets it does, as far as it does.

    The owner's code may take other rows than the model.
    """
    entries = entry_names(settings)
    entry = next(model for model in models if model.name in entries)
    if entry.input is None or entry.service is not None:
        return settings
    given = structs.replace(entry.input, example=settings.input.example)
    return structs.replace(settings, input=given)


def _connect_owners(models: Sequence[Model], service: Service) -> None:
    """Let the owner's code log events with `self.emit(name, values)`."""

    def emit(name: str, values: Any) -> None:
        entry = service.entry()
        service.log.custom(Answered(new_id(), None, entry.name, entry.version), name, values)

    for model in models:
        if model.service is not None:
            model.service.emit = emit  # type: ignore[attr-defined]


def _leave(number: int, frame: FrameType | None) -> None:
    """Exit at once if stopped while loading: the code that runs might catch an exception.

    Nothing is open yet that has to be closed.
    """
    log.info("stopped before it was ready")
    os._exit(0)


def _allow_connections() -> None:
    """Raise the limit of open files: each connection takes one, and 1,024 is a usual soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _bind(host: str, port: int) -> socket.socket:
    """Bind the port before anything is loaded, so that a port in use is reported at once."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        raise _unusable(port, error) from None
    return sock


def _unusable(port: int, error: Exception) -> StartError:
    reason = error.strerror if isinstance(error, OSError) else error
    return StartError(f"port {port} cannot be used: {reason}", "choose another with --port")


def _event_writer(settings: ServerSettings) -> EventWriter | None:
    if settings.events is None or not settings.events.kinds:
        return None
    events = settings.events
    registry = Path(events.registry) if events.registry else None
    if events.durability == "buffered":
        return EventWriter(events, registry=registry, flush_interval_seconds=FLUSH_SECONDS)
    return PromptWriter(events, registry=registry)


def _pin_of(name: str, pins: Sequence[Pin]) -> Pin:
    return next((pin for pin in pins if pin.name == name), Pin(name, "-"))


def _load(
    settings: ServerSettings, name: str, path: Path, pins: Sequence[Pin], metrics: ServerMetrics
) -> Model:
    pin = _pin_of(name, pins)
    before = perf_counter()
    is_entry = name in entry_names(settings)
    model = load_model(
        path,
        name=name,
        version=pin.value,
        digest=pin.sha256,
        columns=settings.input.columns if is_entry else None,
        tensor=settings.input.tensor if is_entry else None,
        tensors=settings.input.tensors if is_entry else None,
        runtime=settings.runtime,
        trust=settings.trust,
        params=settings.params,
        outputs=settings.outputs,
    )
    if settings.params and model.predict_with is None:
        log.warning("%s: params have no effect on a model of flavor %s, as in MLflow", name, model.flavor)  # fmt: skip
    seconds = perf_counter() - before
    measured = metrics.model(name, model.version, model.digest)
    measured.load_seconds, measured.difference = seconds, model.difference
    log.info("%s %s: %s on %s, loaded in %.2f s", name, pin.value, model.flavor, model.runtime, seconds)  # fmt: skip
    return model


async def _run(
    service: Service, sock: socket.socket, variant: VariantFile, traffic: TrafficFile
) -> int:
    settings = service.settings
    keys = KeyCheck(settings.api_keys, settings.name) if settings.api_keys else None
    limits = settings.limits
    state = State(
        limits.max_body_bytes,
        limits.timeout_seconds,
        max_buffered_bytes=limits.max_buffered_bytes or _buffered_bytes(limits.max_body_bytes),
    )
    server = HttpServer(state, Dispatch(build_router(service), service, keys))
    service.receiving = lambda: state.receiving
    service.metrics.in_flight = lambda: state.in_flight
    service.metrics.in_flight_seconds = lambda: state.in_flight_seconds(perf_counter())
    stop = _stop_signal()
    service.log.start()
    port = sock.getsockname()[1]
    try:
        await server.listen(sock)
    except OSError as error:
        raise _unusable(port, error) from None
    for line in service.warm_up():
        log.info(line)
    # Loaded objects stay, so the garbage collector need not scan them while requests wait.
    gc.collect()
    gc.freeze()
    log.info("ready on port %d", port)
    watching = [asyncio.create_task(_refresh(keys))] if keys else []
    if settings.variant_file is not None:
        watching.append(asyncio.create_task(_follow(variant, service)))
    watching.append(asyncio.create_task(_follow_traffic(traffic, service)))
    await stop.wait()
    for task in watching:
        task.cancel()
    return await _stop(service, server)


def _buffered_bytes(max_body_bytes: int) -> int:
    """Return how many bytes of bodies may be held: a quarter of the memory, but two whole bodies."""
    return max(2 * max_body_bytes, min(MAX_BUFFERED_BYTES, memory_bytes() // 4))


def _stop_signal() -> asyncio.Event:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _refresh(keys: KeyCheck) -> None:
    while True:
        await asyncio.sleep(_KEYS_SECONDS)
        keys.refresh()


async def _follow(variant: VariantFile, service: Service) -> None:
    """Label metrics and events as the pod is labelled, which a rollout changes."""
    while True:
        await asyncio.sleep(_VARIANT_SECONDS)
        if variant.refresh():
            log.info("this pod is now %s", variant.current)
            service.metrics.change_variant(variant.current)
            service.log.change_variant(variant.current)


async def _follow_traffic(traffic: TrafficFile, service: Service) -> None:
    """Copy requests for a shadow as the file says, which may come, change and go."""
    if traffic.current is not None:
        service.copies.change(traffic.current)
    while True:
        await asyncio.sleep(_SHADOW_SECONDS)
        if traffic.refresh():
            service.copies.change(traffic.current)
            now = traffic.current
            log.info(
                "copies for a shadow: %s", f"{now.percent:g}% to {now.host}" if now else "none"
            )


async def _stop(service: Service, server: HttpServer) -> int:
    """Become unready, answer the requests in flight, then close the log: so nothing is lost."""
    log.info("stopping: %d requests in flight", server.state.in_flight)
    service.stopping = True
    answered = await server.stop(service.settings.shutdown.request_seconds)
    await service.copies.close(_COPIES_SECONDS)
    writer = service.log.writer
    kept = writer is None or writer.close(_LOG_SECONDS)
    if not answered:
        log.error("stopped with requests unanswered after %g s", service.settings.shutdown.request_seconds)  # fmt: skip
    if not kept:
        log.error("stopped with events lost: %s", writer and writer.last_error)
    log.info("stopped")
    return 0 if answered and kept else 1
