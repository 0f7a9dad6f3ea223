"""Who wrote what, read from managedFields."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from servestack.live.ownership import applying_manager, foreign_writer
from servestack.review.diff import compare_data
from servestack.review.summary import Writer

LABELS = {"app.kubernetes.io/managed-by": "servestack", "app.kubernetes.io/part-of": "servestack"}
OUR_LABELS: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{name}": {} for name in LABELS}}}


def entry(manager: str, fields: dict[str, Any], minute: int = 0, operation: str = "Update") -> Any:
    time = f"2026-01-01T00:{minute:02}:00Z"
    return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields}


def of_container(fields: dict[str, Any]) -> dict[str, Any]:
    return {"f:spec": {"f:containers": {'k:{"name":"server"}': fields}}}


def live(*entries: Any, **container: Any) -> Any:
    return {
        "metadata": {"labels": dict(LABELS), "managedFields": list(entries)},
        "spec": {
            "containers": [{"name": "sidecar"}, {"name": "server", "image": "a", **container}]
        },
        "data": {"service.json": '{"a": 1}'},
    }


def writers(body: Any, change: Any) -> list[Writer | None]:
    """Who wrote each field that differs after a change."""
    desired = copy.deepcopy(body)
    change(desired)
    return [foreign_writer(body, desired, path) for _, path, _, _ in compare_data(body, desired)]


def set_image(body: Any) -> None:
    body["spec"]["containers"][1]["image"] = "b"


OURS = entry("pulumi-kubernetes-1a2b", OUR_LABELS | of_container({"f:args": {}}), 1, "Apply")


def test_whoever_applied_our_labels_last_applies_again() -> None:
    kubectl = entry("kubectl", OUR_LABELS, 2, "Apply")
    stranger = entry("stranger", of_container({"f:image": {}}), 3, "Apply")
    by_hand = entry("kubectl-label", OUR_LABELS, 4)
    assert applying_manager(live(OURS, kubectl, stranger, by_hand)) == "kubectl"
    assert applying_manager(live(stranger)) is None
    assert applying_manager(None) is None


def test_the_field_of_a_containers_is_found_by_its_key() -> None:
    theirs = entry("kubectl-set", of_container({"f:image": {}}), 5)
    assert writers(live(OURS, theirs), set_image) == [Writer("kubectl-set", "2026-01-01T00:05:00Z")]
    other: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"sidecar"}': {"f:image": {}}}}}
    assert writers(live(OURS, entry("kubectl-set", other)), set_image) == [None]


def test_the_last_of_several_writers() -> None:
    first, last = (
        entry(name, of_container({"f:image": {}}), m) for name, m in (("a", 2), ("b", 9))
    )
    assert writers(live(first, last, OURS), set_image) == [Writer("b", "2026-01-01T00:09:00Z")]


def test_a_field_that_we_own_as_well_is_no_drift() -> None:
    ours = entry("kubectl", OUR_LABELS | of_container({"f:image": {}}), 1, "Apply")
    theirs = entry("somebody", of_container({"f:image": {}}), 5)
    assert writers(live(ours, theirs), set_image) == [None]


@pytest.mark.parametrize("path", ["args", "env"])
def test_a_list_that_has_one_owner(path: str) -> None:
    theirs = entry("somebody", of_container({f"f:{path}": {}}), 5)
    body = live(theirs, **{path: [{"name": "a", "value": "1"}] if path == "env" else ["1"]})

    def change(desired: Any) -> None:
        item = desired["spec"]["containers"][1][path]
        item[0] = {"name": "a", "value": "2"} if path == "env" else "2"

    assert [writer.manager for writer in writers(body, change) if writer] == ["somebody"]


def test_an_item_whose_key_has_several_fields() -> None:
    key = 'k:{"containerPort":80,"protocol":"TCP"}'
    theirs = entry("somebody", of_container({"f:ports": {key: {".": {}, "f:name": {}}}}))
    body = live(theirs, ports=[{"containerPort": 80, "protocol": "TCP", "name": "a"}])

    def rename(desired: Any) -> None:
        desired["spec"]["containers"][1]["ports"][0]["hostPort"] = 1

    def take_away(desired: Any) -> None:
        del desired["spec"]["containers"][1]["ports"][0]["name"]

    assert writers(body, rename) == [None]
    assert [writer.manager for writer in writers(body, take_away) if writer] == ["somebody"]


def test_a_field_inside_of_a_text() -> None:
    theirs = entry("somebody", {"f:data": {"f:service.json": {}}})

    def change(desired: Any) -> None:
        desired["data"]["service.json"] = '{"a": 2}'

    (writer,) = writers(live(theirs), change)
    assert writer is not None


def test_entries_without_fields_are_left_out() -> None:
    broken = {"manager": "old", "operation": "Update"}
    assert writers(live(broken), set_image) == [None]
    assert foreign_writer({"metadata": {}}, {"metadata": {}}, ("spec",)) is None
