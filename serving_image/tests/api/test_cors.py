"""What browsers are told: which pages may call, with what, and what they may read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

SHOP = "https://shop.example.com"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, x-team-key",
}
PREDICT = "/v1/iris/predict"


@pytest.fixture(scope="module")
def server(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that asks for keys, and lets pages of one origin call."""
    folder = tmp_path_factory.mktemp("cors")
    (folder / "keys").write_text("first-key\n")
    config = iris.config(
        apiKeys={"file": str(folder / "keys"), "header": "X-Team-Key"},
        cors={"origins": [SHOP], "headers": ["Content-Type", "X-Team-Key"], "maxAgeSeconds": 60},
    )
    with running_server(config, folder) as running:
        yield running


def of_cors(headers: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def test_a_preflight_needs_no_key(server: RunningServer) -> None:
    answer = server.request("OPTIONS", PREDICT, headers=PREFLIGHT | {"Origin": SHOP})
    assert answer.status == 200
    assert of_cors(answer.headers) == {
        "access-control-allow-origin": SHOP,
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "Content-Type, X-Team-Key",
        "access-control-expose-headers": "x-request-id, retry-after",
        "access-control-max-age": "60",
    }


@pytest.mark.parametrize("origin", ["https://elsewhere.example.com", "null", f"{SHOP}:8443", ""])
def test_pages_of_other_origins_may_not_call(server: RunningServer, origin: str) -> None:
    answer = server.request("OPTIONS", PREDICT, headers=PREFLIGHT | {"Origin": origin})
    assert (answer.status, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert of_cors(answer.headers) == {}
    assert answer.headers["vary"] == "origin"


def test_a_request_still_needs_its_key(server: RunningServer, iris: Iris) -> None:
    for key, status in (({}, 401), ({"X-Team-Key": "first-key"}, 200)):
        answer = server.post(PREDICT, [iris.rows[0]], headers={"Origin": SHOP} | key)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["vary"] == "origin"


def test_a_page_may_read_errors(server: RunningServer) -> None:
    for path in ("/nothing", "/v2/models/rose", "/openapi.json"):
        answer = server.request("GET", path, headers={"Origin": SHOP})
        assert of_cors(answer.headers)["access-control-allow-origin"] == SHOP, path
    assert server.request("OPTIONS", "/nothing", headers=PREFLIGHT | {"Origin": SHOP}).status == 404


def test_options_that_are_no_preflight_are_no_method_of_a_route(server: RunningServer) -> None:
    assert server.request("OPTIONS", PREDICT, headers={"Origin": SHOP}).status == 405


def test_any_page_may_call_where_the_spec_says_so(iris: Iris, tmp_path: Path) -> None:
    with running_server(iris.config(cors={"origins": ["*"]}), tmp_path) as server:
        answer = server.request("OPTIONS", PREDICT, headers=PREFLIGHT | {"Origin": "null"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
        answer = server.post(PREDICT, [iris.rows[0]], headers={"Origin": SHOP})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "vary" not in answer.headers


def test_without_settings_nothing_is_allowed(iris: Iris, tmp_path: Path) -> None:
    with running_server(iris.config(), tmp_path) as server:
        assert (
            server.request("OPTIONS", PREDICT, headers=PREFLIGHT | {"Origin": SHOP}).status == 405
        )
        answer = server.post(PREDICT, [iris.rows[0]], headers={"Origin": SHOP})
        assert (answer.status, of_cors(answer.headers)) == (200, {})
        # Tools in a browser may always read what there is to call.
        assert of_cors(server.get("/openapi.json").headers) == {"access-control-allow-origin": "*"}
