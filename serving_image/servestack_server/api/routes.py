"""The routes of a service: which handler answers which path."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from servestack_contract import routes
from servestack_server.api import model_metadata, scoring
from servestack_server.api.batch import BatchEndpoint
from servestack_server.api.endpoint import Endpoint
from servestack_server.api.errors import ErrorForm
from servestack_server.api.feedback import FeedbackEndpoint
from servestack_server.api.health import Health
from servestack_server.api.inference import InferEndpoint
from servestack_server.api.model_metadata import ModelPages
from servestack_server.api.pages import Documentation
from servestack_server.api.predict import PredictEndpoint
from servestack_server.api.router import Handler, Route, Router
from servestack_server.api.scoring import InvocationsEndpoint
from servestack_server.api.seldon import SeldonEndpoint
from servestack_server.prediction.target import ModelTarget, Target
from servestack_server.service import Service

_VERSION = re.compile(rf"^({routes.V2_MODELS}/[^/]+)/versions/[^/]+")


def build_router(service: Service) -> Router:
    """Return all routes of a service. Probes, metrics and pages are not counted and need no key."""
    router = Router()
    base = service.settings.path
    own = ErrorForm.OK200 if service.settings.error_style == "ok200" else ErrorForm.OWN

    def counted(path: str, handler: Handler, error_form: ErrorForm = ErrorForm.OWN) -> None:
        route = Route(
            {b"POST": handler}, service.metrics.endpoint(path), needs_key=True,
            error_form=error_form,
            shadow_path=_shadow_path(path) if isinstance(handler, Endpoint) else b"",
        )  # fmt: skip
        router.add(path, route)

    def page(path: str, handler: Handler, *, needs_key: bool = False) -> None:
        router.add(path, Route({b"GET": handler}, None, needs_key=needs_key))

    def own_routes(path: str, target: Target) -> None:
        counted(f"{path}/predict", PredictEndpoint(service, target, f"{path}/predict"), own)
        counted(f"{path}/batch", BatchEndpoint(service, target, f"{path}/batch"), own)
        seldon_routes(path, target)

    def seldon_routes(path: str, target: Target) -> None:
        if "seldon" in (service.settings.protocols or ()):
            for end in routes.SELDON:
                seldon = SeldonEndpoint(service, target, f"{path}{end}")
                counted(f"{path}{end}", seldon, ErrorForm.SELDON)

    if service.root is not None:
        own_routes(base, service.root)
        seldon_routes("", service.root)
        scored = InvocationsEndpoint(service, service.root, routes.INVOCATIONS)
        counted(routes.INVOCATIONS, scored, ErrorForm.MLFLOW)
    if len(service.targets) > 1:
        for name, target in service.targets.items():
            own_routes(f"{base}/{name}", target)
    if service.log.wants("feedback"):
        counted(f"{base}/feedback", FeedbackEndpoint(service, f"{base}/feedback"), own)
    _inference_routes(service, counted, page)
    health = Health(service)
    page(routes.LIVE, health.live)
    for path in (routes.READY, routes.PING, routes.HEALTH):
        page(path, health.ready)
    page(routes.METRICS, health.metrics)
    page(routes.VERSION, scoring.version)
    documentation = Documentation(service)
    for prefix in ("", base):
        documentation.add_to(page, prefix)
    # MLServer has them here, and calls the document dataplane.json.
    for prefix in (routes.V2, *chain.from_iterable(map(_model_paths, service.targets.values()))):
        documentation.add_to(page, prefix)
        page(f"{prefix}{routes.DOCS}/dataplane.json", documentation.document)
    if service.settings.path_prefix is not None:
        router.repeat_below(service.settings.path_prefix)
    return router


def _shadow_path(path: str) -> bytes:
    """Return a predicting route's path at a shadow, which has another version of the model."""
    return _VERSION.sub(r"\1", path).encode()


def _inference_routes(service: Service, counted: Any, page: Any) -> None:
    page(routes.V2, model_metadata.server_metadata)
    page(f"{routes.V2_HEALTH}/live", model_metadata.server_live)
    page(f"{routes.V2_HEALTH}/ready", model_metadata.ServerReady(service))
    page("/", model_metadata.server_alive)
    for path in (routes.V1_MODELS, routes.V2_MODELS):
        page(path, model_metadata.ModelList(service), needs_key=True)
    targets: dict[str, ModelTarget] = dict(service.targets)
    for name, target in targets.items():
        pages = ModelPages(service, target)
        for path in _model_paths(target):
            page(path, pages.metadata, needs_key=True)
            page(f"{path}/ready", pages.ready)
            infer = InferEndpoint(service, target, f"{path}/infer")
            counted(f"{path}/infer", infer, ErrorForm.KSERVE)
        # The same handlers under the paths of KServe's V1 protocol and MLflow's deployments client.
        page(f"{routes.V1_MODELS}/{name}", pages.ready)
        for alias, form, by_row in (
            (f"{routes.V1_MODELS}/{name}:predict", ErrorForm.KSERVE, True),
            (f"{routes.DEPLOYMENTS}/{name}/invocations", ErrorForm.MLFLOW, False),
        ):
            counted(alias, InvocationsEndpoint(service, target, alias, by_row=by_row), form)
    if service.root is not None and service.settings.name not in targets:
        path = f"{routes.V2_MODELS}/{service.settings.name}"
        infer = InferEndpoint(service, service.root, f"{path}/infer")
        counted(f"{path}/infer", infer, ErrorForm.KSERVE)


def _model_paths(target: ModelTarget) -> tuple[str, str]:
    """Return a model's paths in the Open Inference Protocol, without and with its version."""
    path = f"{routes.V2_MODELS}/{target.name}"
    return path, f"{path}/versions/{target.version}"
