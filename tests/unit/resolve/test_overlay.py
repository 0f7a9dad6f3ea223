"""Layers: defaults < environment < spec < override, and where each value came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.errors import ResolveError
from servestack.resolve.environment import resolve_environment
from servestack.resolve.lock import Lock
from servestack.resolve.resolved import ResolvedService
from servestack.review.explain import explain
from tests.support.services import NULL, load_settings, load_spec, lock_of, resolved

SCALING = {"min": 3, "max": 9}


def winner(service: ResolvedService, field: str) -> tuple[Any, str]:
    (entry,) = explain(service, field)
    return entry.value, entry.winner


@pytest.mark.parametrize(
    ("spec", "environment", "value", "layer"),
    [
        ({}, {}, 2, "default"),
        ({}, {"defaults": {"autoscaling": {"min": 3}}}, 3, "environment"),
        ({"autoscaling": {"min": 4}}, {"defaults": {"autoscaling": {"min": 3}}}, 4, "spec"),
        (
            {"autoscaling": {"min": 4}},
            {"overrides": {"*": {"autoscaling": {"min": 5}}}},
            5,
            "override of every model",
        ),
        (
            {"autoscaling": {"min": 4}},
            {"overrides": {"*": {"autoscaling": {"min": 5}}, "iris": {"autoscaling": {"min": 6}}}},
            6,
            "override",
        ),
    ],
)
def test_the_strongest_layer_wins(
    tmp_path: Path, spec: dict[str, Any], environment: dict[str, Any], value: int, layer: str
) -> None:
    assert winner(resolved(tmp_path, spec, environment), "autoscaling.min") == (value, layer)


def test_mappings_merge_and_lists_that_are_not_marked_are_replaced(tmp_path: Path) -> None:
    service = resolved(
        tmp_path,
        {"labels": {"a": "spec"}, "trust": {"skopsTypes": ["a.A"]}},
        {"defaults": {"labels": {"a": "env", "b": "env"}, "trust": {"skopsTypes": ["b.B"]}}},
    )
    assert service.spec.labels == {"a": "spec", "b": "env"}
    assert service.spec.trust.skops_types == ("a.A",)


def test_replicas_and_autoscaling_hide_each_other(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"autoscaling": SCALING}, {"overrides": {"*": {"replicas": 1}}})
    assert (service.spec.replicas, service.spec.autoscaling) == (1, None)
    (entry,) = explain(service, "replicas")
    assert [origin.layer for origin in entry.origins] == ["override of every model"]


def test_without_a_word_on_it_a_model_scales(tmp_path: Path) -> None:
    service = resolved(tmp_path)
    assert service.spec.autoscaling is not None
    assert (service.spec.autoscaling.min, service.spec.autoscaling.max) == (2, 6)
    fixed = resolved(tmp_path / "fixed", {"autoscaling": NULL})
    assert (fixed.spec.replicas, fixed.spec.autoscaling) == (2, None)


def test_an_override_that_breaks_a_rule_is_told_at_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(ResolveError) as caught:
        resolved(
            tmp_path, {"autoscaling": SCALING}, {"overrides": {"iris": {"autoscaling": {"max": 2}}}}
        )
    (problem,) = caught.value.problems
    assert (problem.id, problem.message) == ("SRV125", "3 is above autoscaling.max 2")
    assert problem.location is not None
    assert problem.location.file.name == "iris.yaml"


def test_every_origin_has_its_line(tmp_path: Path) -> None:
    service = resolved(
        tmp_path, {"autoscaling": SCALING}, {"defaults": {"autoscaling": {"min": 1, "max": 4}}}
    )
    (entry,) = explain(service, "autoscaling.min")
    assert entry.default == 2
    words = [(o.layer, o.value, o.hidden) for o in entry.origins]
    assert words == [("environment", 1, True), ("spec", 3, False)]
    for origin in entry.origins:
        line = origin.location.file.read_text().splitlines()[origin.location.line - 1]
        assert line.strip() == f"min: {origin.value}"


def test_what_the_lock_lacks_is_told(tmp_path: Path) -> None:
    spec, settings = load_spec(tmp_path), load_settings(tmp_path)
    with pytest.raises(ResolveError, match=r"SRV201 .*is not in the lock") as caught:
        resolve_environment([spec], settings, Lock("prod"))
    assert "servestack lock prod" in str(caught.value)
    stale = lock_of(load_spec(tmp_path / "other", artifact="models:/iris@staging").value)
    with pytest.raises(ResolveError, match="is locked as models:/iris@staging"):
        resolve_environment([spec], settings, stale)


def test_models_of_one_environment_do_not_share_an_address(tmp_path: Path) -> None:
    fields = {"ingress": {"host": "a.example.com"}, "api": {"basePath": "/v1/x"}}
    one = load_spec(tmp_path / "1", **fields)
    two = load_spec(tmp_path / "2", name="other", **fields)
    lock = Lock("prod", lock_of(one.value).models | lock_of(two.value).models)
    with pytest.raises(ResolveError, match="SRV203") as caught:
        resolve_environment([one, two], load_settings(tmp_path), lock)
    assert "is also the address of iris" in str(caught.value)


def test_unknown_names_in_an_environment_are_told(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, overrides={"irs": {"replicas": 1}}, exclude=["gone"])
    with pytest.raises(ResolveError) as caught:
        resolve_environment([load_spec(tmp_path)], settings, Lock("prod"))
    fields = [(p.id, p.field) for p in caught.value.problems]
    assert fields[:2] == [("SRV202", "overrides.irs"), ("SRV202", "exclude[0]")]


def test_the_input_comes_from_the_signature_unless_it_is_written(tmp_path: Path) -> None:
    from_signature = resolved(tmp_path / "a").input
    assert [column.name for column in from_signature.columns or ()] == [
        "sepal_length",
        "sepal_width",
    ]
    columns = [{"name": "x", "type": "long"}]
    written = resolved(tmp_path / "b", {"api": {"input": {"columns": columns}}}).input
    assert [column.name for column in written.columns or ()] == ["x"]


@pytest.mark.parametrize(
    ("spec", "environment", "url"),
    [
        ({}, {}, "http://iris.example.com/v1/iris"),
        ({"ingress": {"tls": {"secret": "s"}}}, {}, "https://iris.example.com/v1/iris"),
        ({"ingress": {"host": "a.b.c"}, "api": {"basePath": "/x"}}, {}, "http://a.b.c/x"),
        ({"ingress": {"enabled": False}}, {}, "http://iris.models.svc/v1/iris"),
        ({"service": {"port": 8000}}, {"ingress": None}, "http://iris.models.svc:8000/v1/iris"),
    ],
)
def test_addresses(
    tmp_path: Path, spec: dict[str, Any], environment: dict[str, Any], url: str
) -> None:
    assert resolved(tmp_path, spec, environment).url == url
