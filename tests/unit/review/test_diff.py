"""The diff: one line for one edit, nothing for none, secrets masked, effects in words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Manifest
from servestack.review import reports
from servestack.review.diff import compare, compare_data
from servestack.review.summary import Review, review
from tests.support.services import resolved

GOLDEN = Path(__file__).parent / "golden"
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Manifest, ...]:
    spec = {
        "env": [{"name": "MODE", "value": "fast"}],
        "monitoring": {"slo": {"availability": 99.9}},
    }
    return tuple(build_service_manifests(resolved(tmp_path, spec)))


def edited(manifests: tuple[Manifest, ...], kind: str, edit: Edit) -> tuple[Manifest, ...]:
    copies = tuple(deepcopy(manifests))
    edit(next(m.body for m in copies if m.kind == kind and not m.name.endswith("-filebeat")))
    return copies


def container(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return found


def fields(old: tuple[Manifest, ...], new: tuple[Manifest, ...]) -> list[tuple[str, str]]:
    return [(change.operation, change.field) for change in compare(old, new)]


def test_nothing_changed(manifests: tuple[Manifest, ...]) -> None:
    assert compare(manifests, deepcopy(manifests)) == ()


def test_order_of_objects_keys_and_keyed_items_is_no_change(
    manifests: tuple[Manifest, ...],
) -> None:
    def shuffle(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffle(inner)) for key, inner in value.items()]
            random.Random(1).shuffle(items)
            return dict(items)
        if isinstance(value, list):
            return [shuffle(item) for item in value]
        return value

    def turn(body: dict[str, Any]) -> None:
        pod = body["spec"]["template"]["spec"]
        pod["volumes"].reverse()
        container(body)["volumeMounts"].reverse()

    shuffled = [
        Manifest(m.group, m.concern, m.builder, m.source, shuffle(m.body))
        for m in reversed(manifests)
    ]
    assert compare(manifests, shuffled) == ()
    assert compare(manifests, edited(manifests, "Deployment", turn)) == ()


def test_an_inserted_variable_is_one_line(manifests: tuple[Manifest, ...]) -> None:
    def insert(body: dict[str, Any]) -> None:
        container(body)["env"].insert(0, {"name": "LOG_LEVEL", "value": "debug"})

    path = "spec.template.spec.containers[server].env[LOG_LEVEL]"
    assert fields(manifests, edited(manifests, "Deployment", insert)) == [("add", path)]


def test_a_changed_variable_names_its_value(manifests: tuple[Manifest, ...]) -> None:
    def change(body: dict[str, Any]) -> None:
        container(body)["env"][-1]["value"] = "slow"

    path = "spec.template.spec.containers[server].env[MODE].value"
    assert fields(manifests, edited(manifests, "Deployment", change)) == [("change", path)]


def test_the_order_of_init_containers_counts(manifests: tuple[Manifest, ...]) -> None:
    def turn(body: dict[str, Any]) -> None:
        body["spec"]["template"]["spec"]["initContainers"].reverse()

    assert fields(manifests, edited(manifests, "Deployment", turn)) == [
        ("move", "spec.template.spec.initContainers")
    ]


def test_text_that_is_yaml_or_json_is_compared_by_its_fields(
    manifests: tuple[Manifest, ...],
) -> None:
    def change(body: dict[str, Any]) -> None:
        settings = json.loads(body["data"]["service.json"])
        settings["limits"]["maxRows"] = 5
        body["data"]["service.json"] = json.dumps(settings)

    assert fields(manifests, edited(manifests, "ConfigMap", change)) == [
        ("change", "data[service.json].limits.maxRows")
    ]


@given(st.data())
def test_different_data_always_differ(data: st.DataObject) -> None:
    scalars = st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from(["a", "b", "", "1"]))
    plain = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "value", "env", "ports"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
    old, new = data.draw(plain), data.draw(plain)
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert same or list(compare_data(old, new)) or _same_but_for_order(old, new)
    assert not list(compare_data(old, deepcopy(old)))


def _same_but_for_order(old: Any, new: Any) -> bool:
    """Keyed lists whose order means nothing."""

    def sorted_lists(value: Any) -> Any:
        if isinstance(value, list):
            return sorted((sorted_lists(item) for item in value), key=json.dumps)
        if isinstance(value, dict):
            return {key: sorted_lists(value[key]) for key in sorted(value)}
        return value

    return bool(json.dumps(sorted_lists(old)) == json.dumps(sorted_lists(new)))


def capacity(body: dict[str, Any]) -> None:
    body["spec"]["minReplicas"], body["spec"]["maxReplicas"] = 3, 8


def new_version(body: dict[str, Any]) -> None:
    template = body["spec"]["template"]
    template["metadata"]["labels"]["servestack.dev/version"] = "4"
    template["spec"]["containers"][0]["args"][-1] = "--model=iris=4#sha256=" + "cd" * 32


def threshold(body: dict[str, Any]) -> None:
    rule = next(rule for rule in body["spec"]["groups"][0]["rules"] if "alert" in rule)
    rule["expr"] = rule["expr"].replace("14.4 * 0.001", "14.4 * 0.005")


def port(body: dict[str, Any]) -> None:
    body["spec"]["ports"][0]["port"] = 8000


def selector(body: dict[str, Any]) -> None:
    body["spec"]["selector"]["matchLabels"]["a"] = "b"


def label(body: dict[str, Any]) -> None:
    body["metadata"]["labels"]["team"] = "ml"


@pytest.mark.parametrize(
    ("kind", "edit", "words"),
    [
        ("HorizontalPodAutoscaler", capacity, "minimum capacity 2→3"),
        ("HorizontalPodAutoscaler", capacity, "maximum capacity 6→8"),
        ("Deployment", new_version, "serves version 3→4"),
        ("Deployment", new_version, "pods restart"),
        ("PrometheusRule", threshold, "alert threshold"),
        ("Service", port, "callers use port 80→8000"),
        ("Deployment", selector, "must be replaced"),
        ("Service", label, "no effect on traffic"),
    ],
)
def test_effects(manifests: tuple[Manifest, ...], kind: str, edit: Edit, words: str) -> None:
    result = review("prod", "rendered/prod", manifests, edited(manifests, kind, edit))
    (group,) = result.groups
    assert words in "; ".join(group.effects)


def test_secrets_are_masked_in_every_report(manifests: tuple[Manifest, ...]) -> None:
    def leak(body: dict[str, Any]) -> None:
        container(body)["env"] += [
            {"name": "DB_PASSWORD", "value": "hunter2hunter2"},
            {"name": "URL", "value": "https://me:hunter2hunter2@example.com/"},
        ]

    leaking = edited(manifests, "Deployment", leak)
    changed = edited(
        leaking,
        "Deployment",
        lambda body: container(body)["env"][-2].update(value="hunter2hunter3"),
    )
    for old, new in ((manifests, leaking), (leaking, changed), (leaking, manifests)):
        result = review("prod", "rendered/prod", old, new)
        for text in (reports.to_text(result), reports.to_json(result), reports.to_github(result)):
            assert "hunter2" not in text
            assert "(masked)" in text


def sample(manifests: tuple[Manifest, ...]) -> Review:
    """Several kinds of changes at once."""
    new = edited(manifests, "Deployment", new_version)
    for kind, edit in (("HorizontalPodAutoscaler", capacity), ("PrometheusRule", threshold)):
        new = edited(new, kind, edit)
    return review("prod", "rendered/prod", manifests, [m for m in new if m.kind != "NetworkPolicy"])


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("diff.txt", reports.to_text),
        ("diff.json", reports.to_json),
        ("diff.md", reports.to_github),
    ],
)
def test_reports(
    manifests: tuple[Manifest, ...],
    name: str,
    report: Callable[[Review], str],
    request: pytest.FixtureRequest,
) -> None:
    file = GOLDEN / name
    text = report(sample(manifests))
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_a_comment_fits_into_github(manifests: tuple[Manifest, ...]) -> None:
    many = [
        Manifest(f"model-{i}", m.concern, m.builder, m.source, m.body)
        for i in range(400)
        for m in manifests[:3]
    ]
    text = reports.to_github(review("prod", "nothing", (), many))
    assert len(text) <= reports.GITHUB_LIMIT
    assert "servestack diff" in text
