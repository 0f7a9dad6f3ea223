"""The settings file: what the generator writes is what the server reads, and nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml

from servestack.errors import SpecError
from servestack.manifests.server_settings import server_settings, settings_text
from servestack_contract import settings
from servestack_contract.settings import ServerSettings, read_settings
from tests.support.projects import REPOSITORY
from tests.support.services import resolved

RENDERED = sorted(REPOSITORY.glob("**/rendered/**/configmap-*-server.yaml"))
GRAPH = {
    "kind": "split",
    "branches": [
        {"node": "iris", "weight": 90},
        {
            "node": {
                "kind": "router",
                "column": "petal_width",
                "cases": [{"equals": 1, "node": {"kind": "chain", "steps": ["iris", "second"]}}],
                "otherwise": {
                    "kind": "ensemble",
                    "nodes": ["iris", {"kind": "bandit", "arms": ["iris", "second"]}],
                    "combine": "vote",
                },
            },
            "weight": 10,
        },
    ],
    "stickyBy": "x-user",
}


@pytest.fixture
def given(tmp_path: Path) -> ServerSettings:
    spec = {"description": "All of it.", "api": {"auth": {"apiKeys": {"secret": "keys"}}}}
    return server_settings(resolved(tmp_path, spec))


def test_what_is_written_is_read(given: ServerSettings) -> None:
    assert read_settings(settings_text(given).encode()) == given


@pytest.mark.parametrize("kind", [kind.__struct_config__.tag for kind in get_args(settings.Graph)])
def test_a_graph_is_read_as_it_is_written(given: ServerSettings, kind: str) -> None:
    """Each kind of node stands in GRAPH."""
    text = json.dumps(settings.to_plain(given) | {"graph": GRAPH})
    read = read_settings(text.encode())
    assert read.graph is not None
    assert kind in {node.__struct_config__.tag for node in _nodes(read.graph)}
    assert read_settings(settings_text(read).encode()) == read


def _nodes(node: settings.Node) -> Iterator[settings.Graph]:
    if not isinstance(node, str):
        yield node
        for child in settings.children(node):
            yield from _nodes(child)


def _objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all objects whose keys the contract names."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            if (*path, key)[-2:] != ("predictions", "redact") and key != "example":
                yield from _objects(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _objects(inner, (*path, at))


def test_a_key_that_is_not_known_is_refused_wherever_it_stands(given: ServerSettings) -> None:
    text = json.dumps(settings.to_plain(given) | {"graph": GRAPH})
    places = list(_objects(json.loads(text)))
    assert len(places) > 20
    for place in places:
        bent = json.loads(text)
        inner = bent
        for key in place:
            inner = inner[key]
        inner["typo"] = 1
        with pytest.raises(ValueError, match="unknown field `typo`"):
            read_settings(json.dumps(bent).encode())


def test_what_is_left_out_is_not_null(given: ServerSettings) -> None:
    plain = settings.to_plain(given)
    assert "graph" not in plain
    assert "minimum" not in plain["input"]["columns"][0]


def test_nested_columns_and_params_are_read_as_they_are_written(tmp_path: Path) -> None:
    message = {"type": "object", "properties": [{"name": "role", "type": "string", "enum": ["a"]}]}
    columns = [
        {"name": "messages", "type": "array", "items": message},
        {"name": "scores", "type": "map", "values": {"type": "double", "maximum": 1}},
    ]
    params = [{"name": "stop", "type": "array", "items": {"type": "string"}, "default": []}]
    given = server_settings(
        resolved(tmp_path, {"api": {"input": {"columns": columns}, "params": params}})
    )
    assert read_settings(settings_text(given).encode()) == given
    role = settings.Column("role", "string", enum=("a",))
    items = settings.Element("object", properties=(role,))
    assert given.input.columns is not None
    assert given.input.columns[0] == settings.Column("messages", "array", items=items)
    stop = settings.Param("stop", "array", [], items=settings.Element("string"))
    assert given.params == (stop,)


def test_params_come_from_the_signature_unless_the_spec_has_some(tmp_path: Path) -> None:
    signature = {"params": [{"name": "k", "type": "long", "default": 3, "shape": None}]}
    given = server_settings(resolved(tmp_path, {}, artifact={"signature": signature}))
    assert given.params == (settings.Param("k", "long", 3, nullable=True),)
    none = server_settings(
        resolved(tmp_path, {"api": {"params": []}}, artifact={"signature": signature})
    )
    assert none.params is None
    assert "params" not in settings.to_plain(none)


def test_a_null_of_the_example_stays(given: ServerSettings) -> None:
    row = [[None, {"a": None}]]
    assert settings.to_plain(settings.Input(example=row)) == {"example": row}


@pytest.mark.parametrize("file", RENDERED, ids=lambda file: file.name)
def test_rendered_settings_are_the_servers(file: Path) -> None:
    text = yaml.safe_load(file.read_text())["data"][settings.FILE]
    assert settings.to_plain(read_settings(text.encode())) == json.loads(text)


def test_pages_may_send_the_key_that_is_asked_for(tmp_path: Path) -> None:
    cors = {"origins": ["https://shop.example.com"], "headers": ["Content-Type"]}
    keys = {"apiKeys": {"secret": "keys", "header": "X-Team-Key"}}
    given = server_settings(resolved(tmp_path, {"api": {"cors": cors, "auth": keys}}))
    assert given.cors == settings.Cors(
        origins=("https://shop.example.com",), headers=("Content-Type", "X-Team-Key")
    )


@pytest.mark.parametrize(
    "origin", ["shop.example.com", "https://shop.example.com/", "https://*.example.com", "null"]
)
def test_what_is_no_origin_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SpecError, match=r"api\.cors\.origins"):
        resolved(tmp_path, {"api": {"cors": {"origins": [origin]}}})


def test_a_column_is_written_without_its_defaults(given: ServerSettings) -> None:
    """Thousands of columns must fit into a ConfigMap. Limits are written out all the same."""
    columns = (
        settings.Column("plain", "double"),
        settings.Column("optional", "double", required=False, minimum=0),
        settings.Column("nested", "array", items=settings.Element("string", nullable=True)),
    )
    read = msgspec.structs.replace(given, input=settings.Input(columns=columns))
    plain = settings.to_plain(read)
    assert plain["input"]["columns"] == [
        {"name": "plain", "type": "double"},
        {"name": "optional", "type": "double", "required": False, "minimum": 0},
        {"name": "nested", "type": "array", "items": {"type": "string", "nullable": True}},
    ]
    assert plain["limits"]["maxRows"] == settings.Limits().max_rows
    assert read_settings(json.dumps(plain).encode()) == read
