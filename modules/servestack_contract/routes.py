"""The paths that every model server answers, whatever its model's base path is.

The server takes its routes from here, the generator its probes, and a spec's base path may be none
of them.
"""

from __future__ import annotations

LIVE = "/livez"
READY = "/readyz"
PING = "/ping"
HEALTH = "/health"
"""What MLflow and SageMaker call `/readyz`."""
METRICS = "/metrics"
VERSION = "/version"
DOCS = "/docs"
OPENAPI = "/openapi.json"
INVOCATIONS = "/invocations"
DEPLOYMENTS = "/endpoints"
"""Above `/<model>/invocations`, as MLflow's deployments client has it."""
V1_MODELS = "/v1/models"
V2 = "/v2"
V2_HEALTH = f"{V2}/health"
V2_MODELS = f"{V2}/models"
SELDON = ("/api/v1.0/predictions", "/api/v0.1/predictions")
"""Seldon Core 1's prediction API, at the root and below the base path."""

_TREES = (
    LIVE, READY, PING, HEALTH, METRICS, VERSION, DOCS, OPENAPI, INVOCATIONS, DEPLOYMENTS, V1_MODELS,
    V2_HEALTH, V2_MODELS, f"{V2}{DOCS}", f"{V2}{OPENAPI}", *SELDON,
)  # fmt: skip


def reserved(path: str) -> str:
    """Return the server's own path that a base path is, or lies below; "" if it is free.

    The paths below /v2 are free but for the server's own: /v2/churn is a base path as any other.
    """
    for own in _TREES:
        if path == own or path.startswith(f"{own}/"):
            return own
    return path if path in ("", "/", V2) else ""


def routes_below(base_path: str, models: tuple[str, ...] = (), *, seldon: bool) -> tuple[str, ...]:
    """Return the paths of a service below its base path.

    `models` are the names of its models where it has several: each answers below its name.
    """
    entries = (base_path, *(f"{base_path}/{name}" for name in models))
    ends = ("/predict", "/batch", *(SELDON if seldon else ()))
    own = tuple(f"{entry}{end}" for entry in entries for end in ends)
    return (*own, *(f"{base_path}{end}" for end in ("/feedback", DOCS, OPENAPI)))
