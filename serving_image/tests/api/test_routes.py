"""The server's own paths are those of the contract, so that no base path can be one of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from serving_image.tests.process.event_log import KINDS, events

from servestack_contract import routes
from servestack_contract.artifact import Pin
from servestack_contract.settings import read_settings
from servestack_server.api.routes import build_router
from servestack_server.events.log import EventLog
from servestack_server.events.writer import EventWriter
from servestack_server.input.schema import compile_schema
from servestack_server.metrics import ServerMetrics
from servestack_server.models.model import Model
from servestack_server.service import Service

BASE = "/company/iris"


def served_paths(folder: Path, names: tuple[str, ...]) -> set[str]:
    """Every path of a server with everything switched on that adds a route.

    Its models only have names: which paths there are is known before anything is predicted.
    """
    settings = read_settings(
        json.dumps(
            {
                "name": "iris",
                "basePath": BASE,
                "models": [{"name": name, "path": "/nowhere"} for name in names],
                "input": {"columns": [{"name": "a", "type": "double"}]},
                "protocols": ["seldon"],
                "events": events(folder / "events", *KINDS),
            }
        ).encode()
    )
    models = [Model(n, "7", "", "sklearn", "native", lambda rows: [], None) for n in names]
    assert settings.events is not None
    writer = EventWriter(settings.events, registry=None, flush_interval_seconds=1)
    service = Service(
        settings, compile_schema(settings.input), models, ServerMetrics(settings),
        EventLog(settings, [Pin(name, "7") for name in names], writer), is_input_declared=True,
    )  # fmt: skip
    return set(build_router(service)._routes)


@pytest.mark.parametrize("names", [("iris",), ("iris", "other")])
def test_every_path_is_reserved_or_below_the_base_path(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    paths = served_paths(tmp_path, names)
    own = {path for path in paths if not path.startswith(BASE)}
    assert len(own) > 20
    assert [path for path in sorted(own) if not routes.reserved(path)] == []


@pytest.mark.parametrize("names", [("iris",), ("iris", "other")])
def test_what_another_base_path_may_not_hide_is_what_the_server_answers(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    several = names if len(names) > 1 else ()
    paths = served_paths(tmp_path, names)
    below = {path for path in paths if path.startswith(BASE) and "/docs/" not in path}
    told = set(routes.routes_below(BASE, several, seldon=True))
    assert below <= told
    # Several models without a graph have no entry of their own.
    entry = (f"{BASE}/predict", f"{BASE}/batch", f"{BASE}/api/")
    assert {path for path in told - below if not path.startswith(entry)} == set()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/iris",
        "/v2/churn",
        "/v1",
        "/api",
        "/seldon/models/iris",
        "/metrics-of-iris",
        "/api/v1.0",
    ],
)
def test_what_the_server_does_not_answer_is_free(path: str) -> None:
    assert routes.reserved(path) == ""


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v2", "/docs", "/docs/x", "/invocations", "/metrics/foo", "/health", "/healthz/.."],
)
def test_what_the_server_answers_is_not(path: str) -> None:
    assert bool(routes.reserved(path)) == (path not in ("", "/healthz/.."))
