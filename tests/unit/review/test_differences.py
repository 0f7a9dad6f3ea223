"""What counts as a difference, and where it is said to be."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from servestack.manifests.manifest import Body
from servestack.review import reports
from servestack.review.diff import compare_data, path_text
from tests.unit.review.bodies import (
    autoscaler,
    config_map,
    deployment,
    fields,
    pods_metric,
    reviewed,
)

HTTP = {"name": "http", "containerPort": 8080}
METRICS = {"name": "metrics", "containerPort": 9090}
CONTAINER = "spec.template.spec.containers[server]"


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0), ("1", 1)])
def test_a_change_of_type_alone_is_a_change(old: Any, new: Any) -> None:
    assert fields(deployment(tty=old), deployment(tty=new)) == [("change", f"{CONTAINER}.tty")]


def test_metrics_of_one_type_are_told_apart_by_name() -> None:
    old = autoscaler(pods_metric("a", "1"), pods_metric("b", "2"))
    new = autoscaler(pods_metric("c", "3"), pods_metric("b", "2"), pods_metric("a", "4"))
    assert fields(old, new) == [
        ("change", "spec.metrics[Pods/a].pods.target.averageValue"),
        ("add", "spec.metrics[Pods/c]"),
    ]


def test_ports_keep_their_key_where_one_loses_its_name() -> None:
    nameless = {"containerPort": 8080}
    assert fields(deployment(ports=[HTTP, METRICS]), deployment(ports=[METRICS, nameless])) == [
        ("remove", f"{CONTAINER}.ports[8080/TCP].name")
    ]


def test_a_list_that_appears_or_empties_is_keyed() -> None:
    assert fields(deployment(ports=[]), deployment(ports=[HTTP])) == [
        ("add", f"{CONTAINER}.ports[http]")
    ]
    assert fields(deployment(ports=[HTTP]), deployment(ports=[])) == [
        ("remove", f"{CONTAINER}.ports[http]")
    ]


def test_other_lists_are_aligned() -> None:
    old, new = deployment(args=["a", "b", "c"]), deployment(args=["a", "x", "b", "c"])
    assert fields(old, new) == [("add", f"{CONTAINER}.args[1]")]


def test_text_is_compared_by_its_lines() -> None:
    old = config_map({"drain.sh": "one\ntwo\nthree\n"})
    new = config_map({"drain.sh": "one\n2\nthree\nfour\n"})
    assert fields(old, new) == [
        ("change", "data[drain.sh][line 2]"),
        ("add", "data[drain.sh][line 4]"),
    ]


def test_a_value_of_one_line_is_one_change() -> None:
    assert fields(config_map({"level": "info"}), config_map({"level": "debug"})) == [
        ("change", "data.level")
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a: 1 # old\n", "a: 1 # new\n"),
        ("a: 1\n", "a: 1"),
        ("a: 2026-01-01", "a: 2026-01-02"),
        ("1: a", "1: b"),
        ("~: a", "~: b"),
        ("a: !!binary aGk=", "a: !!binary aG8="),
        ("&a [*a]", "&a [*a, 1]"),
        ("a: [", "a: [1"),
        ("--- 1\n--- 2", "--- 1\n--- 3"),
        ("a: .nan", "a: .inf"),
        ("[" * 500 + "]" * 500, "[" * 501 + "]" * 501),
    ],
)
def test_documents_that_have_no_fields_to_compare_differ_as_text(old: str, new: str) -> None:
    result = reviewed(config_map({"x.yml": old}), config_map({"x.yml": new}))
    assert reports.to_text(result) and reports.to_json(result) and reports.to_github(result)
    ((operation, field),) = fields(config_map({"x.yml": old}), config_map({"x.yml": new}))
    assert operation == "change"
    assert field.startswith("data[x.yml]")


def test_aliases_that_multiply_are_compared_as_text() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
    )
    assert fields(config_map({"x.yml": bomb}), config_map({"x.yml": f"{bomb}b: 1\n"})) == [
        ("add", "data[x.yml][line 41]")
    ]


def test_values_that_yaml_knows_and_json_does_not_are_shown() -> None:
    old = yaml.safe_load("{kind: A, apiVersion: v1, metadata: {name: a}, at: 2026-01-01, 1: x}")
    new = yaml.safe_load("{kind: A, apiVersion: v1, metadata: {name: a}, at: 2026-01-02, 1: .nan}")
    result = reviewed(old, new)
    assert "at: 2026-01-01 → 2026-01-02" in reports.to_text(result)
    assert '"new": "nan"' in reports.to_json(result)
    assert fields(new, deepcopy(new)) == []


names = st.sampled_from(["a", "b", "c", "d", "e"])
values = st.one_of(
    st.booleans(), st.integers(0, 2), st.floats(0, 2), st.sampled_from(["", "1", "x"])
)


def keyed(item: Any) -> st.SearchStrategy[list[Body]]:
    return st.lists(item, max_size=4, unique_by=lambda entry: str(entry["name"]))


containers = st.fixed_dictionaries(
    {
        "volumes": keyed(st.fixed_dictionaries({"name": names, "emptyDir": values})),
        "containers": keyed(
            st.fixed_dictionaries(
                {
                    "name": names,
                    "image": values,
                    "ports": keyed(st.fixed_dictionaries({"name": names, "containerPort": values})),
                }
            )
        ),
    }
)


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same data: keys of mappings and items of lists in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, chance)) for key, inner in value.items()]
        return dict(chance.sample(items, len(items)))
    if isinstance(value, list):
        return chance.sample([shuffled(item, chance) for item in value], len(value))
    return value


@given(containers, containers, st.randoms(use_true_random=False))
def test_order_never_counts_in_keyed_lists(old: Any, new: Any, chance: random.Random) -> None:
    assert not list(compare_data(old, shuffled(old, chance)))
    straight = {path_text(path) for _, path, _, _ in compare_data(old, new)}
    other = compare_data(shuffled(old, chance), shuffled(new, chance))
    assert {path_text(path) for _, path, _, _ in other} == straight


@given(containers, containers)
def test_the_way_back_is_the_mirror_image(old: Any, new: Any) -> None:
    turned = {"add": "remove", "remove": "add", "change": "change"}
    there = [
        (turned[operation], path, repr(after), repr(before))
        for operation, path, before, after in compare_data(old, new)
    ]
    back = [
        (operation, path, repr(before), repr(after))
        for operation, path, before, after in compare_data(new, old)
    ]
    assert sorted(there, key=str) == sorted(back, key=str)


@given(
    st.sampled_from(["a.json", "a.yml", "a.txt"]),
    st.text("ab1:-[]{}\"'&*!~.# \n\t\x1b", max_size=30),
    st.text("ab1:-[]{}\"'&*!~.# \n\t\x1b", max_size=30),
)
def test_any_two_texts_differ_where_they_do(name: str, old: str, new: str) -> None:
    result = reviewed(config_map({name: old}), config_map({name: new}))
    assert result.is_empty == (old == new)
    assert reports.to_text(result) and reports.to_json(result) and reports.to_github(result)
