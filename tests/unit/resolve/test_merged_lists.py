"""Lists that hold for all: the environment's entries and the model's, and where each came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from servestack.errors import SpecError
from servestack.manifests.assemble import build_service_manifests
from servestack.resolve.resolved import ResolvedService
from servestack.review.explain import explain
from servestack.review.findings import find
from servestack.review.policy.rule import Subject, Violation
from servestack.spec.load import load_environment
from servestack.spec.merging import Merged, merged_lists
from servestack.spec.model_service import ModelService
from servestack.spec.schema import environment_schema
from tests.support.services import ENVIRONMENT as SETTINGS
from tests.support.services import load_settings, merged, resolved, write

ISTIOD = {"namespace": "istio-system", "ports": [15012]}
REDIS = {"cidr": "10.1.0.0/16", "ports": [6379]}
PROXY = {"name": "HTTP_PROXY", "value": "http://proxy:3128"}


def layers(service: ResolvedService, field: str) -> list[tuple[str, str]]:
    """Each entry of a list: the layer that won, and the line that wrote it."""
    found = []
    for entry in explain(service, field):
        (origin,) = (origin for origin in entry.origins if not origin.hidden)
        place = origin.location
        line = place.file.read_text().splitlines()[place.line - 1].strip()
        found.append((entry.winner, line))
    return found


def test_lists_replaced(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"egress": [REDIS]}, {"defaults": {"egress": [ISTIOD]}})
    assert [rule.ports for rule in service.spec.egress] == [(15012,), (6379,)]
    (policy,) = (m for m in build_service_manifests(service) if m.kind == "NetworkPolicy")
    assert {"port": 15012, "protocol": "TCP"} in policy.body["spec"]["egress"][-2]["ports"]
    assert layers(service, "egress") == [
        ("environment", "- namespace: istio-system"),
        ("spec", "- cidr: 10.1.0.0/16"),
    ]


@pytest.mark.parametrize(
    ("field", "for_all", "own"),
    [
        ("env", [PROXY], [{"name": "MODE", "value": "fast"}]),
        ("egress", [ISTIOD], [REDIS]),
        (
            "scheduling.tolerations",
            [{"key": "pool", "value": "models"}],
            [{"key": "gpu", "operator": "Exists"}],
        ),
        ("service.callers", ["gateway"], ["checkout"]),
    ],
)
def test_every_marked_list_is_added_to(
    tmp_path: Path, field: str, for_all: list[Any], own: list[Any]
) -> None:
    def fields(entries: list[Any]) -> dict[str, Any]:
        section, _, name = field.rpartition(".")
        return {section: {name: entries}} if section else {name: entries}

    both = [*for_all, *own]
    service = resolved(tmp_path / "1", fields(own), {"defaults": fields(for_all)})
    assert [entry.winner for entry in explain(service, field)] == ["environment", "spec"]
    service = resolved(tmp_path / "2", fields(for_all), {"overrides": {"*": fields(both)}})
    assert len(explain(service, field)) == 2, "an entry that is there already is listed once"
    replaced = {"overrides": {"iris": fields({"replace": own})}}  # type: ignore[arg-type]
    service = resolved(tmp_path / "3", fields(for_all), replaced)
    assert [entry.winner for entry in explain(service, field)] == ["override"]


def test_the_table_in_the_docs_lists_every_marked_list() -> None:
    page = Path(__file__).parents[3] / "docs/how-to/share-settings.md"
    rows = [
        line.split("|")[1:3] for line in page.read_text().splitlines() if line.startswith("| `")
    ]
    told = {field.strip(): words.strip() for field, words in rows}
    marked = {".".join(map(str, path)): mark for path, mark in merged_lists(ModelService).items()}
    for field, mark in marked.items():
        words = f"`{mark.key}`" if mark.key else "everything in it"
        assert told.get(f"`{field}`") == words, f"{page.name} needs: | `{field}` | {words} |"
    assert len(told) == len(marked), "the table has a row for a list that is not marked"


def test_the_model_wins_over_a_default_of_the_same_name_and_an_override_over_the_model(
    tmp_path: Path,
) -> None:
    own = {"env": [{"name": "A", "value": "1"}, PROXY | {"value": "none"}]}
    service = resolved(tmp_path, own, {"defaults": {"env": [PROXY]}})
    assert [(v.name, v.value) for v in service.spec.env] == [("HTTP_PROXY", "none"), ("A", "1")]
    (entry, _) = explain(service, "env")
    assert [(o.layer, o.hidden) for o in entry.origins] == [("environment", True), ("spec", False)]
    forced = resolved(tmp_path / "forced", own, {"overrides": {"*": {"env": [PROXY]}}})
    assert [(v.name, v.value) for v in forced.spec.env] == [
        ("A", "1"),
        ("HTTP_PROXY", "http://proxy:3128"),
    ]


def test_a_secret_reference_of_the_model_takes_the_place_of_a_plain_default(tmp_path: Path) -> None:
    reference = {"name": "HTTP_PROXY", "valueFrom": {"secret": "proxy", "key": "url"}}
    service = resolved(tmp_path, {"env": [reference]}, {"defaults": {"env": [PROXY]}})
    (variable,) = service.spec.env
    assert variable.value is None
    assert variable.value_from is not None


def test_an_empty_list_of_a_model_removes_nothing(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"egress": []}, {"defaults": {"egress": [ISTIOD]}})
    assert len(service.spec.egress) == 1
    emptied = {"defaults": {"egress": [ISTIOD]}, "overrides": {"iris": {"egress": {"replace": []}}}}
    service = resolved(tmp_path / "emptied", {}, emptied)
    (entry,) = explain(service, "egress")
    assert (entry.value, entry.winner) == ((), "override")
    assert entry.origins[-1].location.line


def test_a_fault_of_an_entry_has_its_own_file_line_and_index(tmp_path: Path) -> None:
    taken = {"overrides": {"iris": {"replicas": 1}}, "defaults": {"env": [PROXY]}}
    service = resolved(tmp_path, {"env": [{"name": "A", "value": "1"}]}, taken)
    place = service.provenance.location(("env", 1, "name"))
    assert place.file.name == "iris.yaml"
    assert place.file.read_text().splitlines()[place.line - 1].strip() == "- name: A"
    assert service.provenance.field(("env", 1, "name")) == ("env", 0, "name")
    found = service.provenance.location(("env", 0, "name"))
    assert found.file.name == "prod.yaml"


@pytest.mark.parametrize(
    ("overlay", "field"),
    [
        ({"defaults": {"egress": {"replace": [REDIS]}}}, "defaults.egress"),
        ({"overrides": {"*": {"egress": {"replace": REDIS}}}}, "overrides['*'].egress"),
        ({"overrides": {"*": {"labels": {"replace": []}}}}, "overrides['*'].labels.replace"),
        (
            {
                "overrides": {
                    "*": {"egress": {"replace": [REDIS, {"cidr": "10.1.2.3/8", "ports": [1]}]}}
                }
            },
            "overrides['*'].egress.replace[1].cidr",
        ),
        (
            {"overrides": {"*": {"egress": {"replace": [REDIS, {"cidr": "10.0.0.0/8"}]}}}},
            "overrides['*'].egress.replace[1].ports",
        ),
    ],
)
def test_a_replacement_is_checked_where_it_stands(
    tmp_path: Path, overlay: dict[str, Any], field: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load_settings(tmp_path, **overlay)
    (problem,) = caught.value.problems
    assert problem.field == field
    assert problem.location is not None
    assert problem.location.line > 1


def test_labels_are_added_to_by_key_and_each_is_explained(tmp_path: Path) -> None:
    service = resolved(
        tmp_path,
        {"labels": {"example.com/team": "growth"}},
        {"defaults": {"labels": {"example.com/cost": "42"}}},
    )
    assert layers(service, "labels") == [
        ("environment", 'example.com/cost: "42"'),
        ("spec", "example.com/team: growth"),
    ]
    (entry,) = explain(service, "labels['example.com/team']")
    assert (entry.value, entry.winner) == ("growth", "spec")


def test_the_schema_for_editors_knows_replacements(tmp_path: Path) -> None:
    import jsonschema

    schema = environment_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    replaced = {"egress": {"replace": [REDIS]}, "scheduling": {"tolerations": {"replace": []}}}
    good = merged(SETTINGS, {"overrides": {"*": replaced}})
    assert not list(validator.iter_errors(good))
    load_environment(write(tmp_path / "stacks/prod.yaml", good))
    for key in ("defaults", "overrides"):
        wrong = {"egress": {"replace": 3}} if key == "overrides" else replaced
        bad = merged(SETTINGS, {key: {"*": wrong} if key == "overrides" else wrong})
        assert list(validator.iter_errors(bad)), json.dumps(bad[key])


def test_findings_name_the_entry_in_its_file(tmp_path: Path) -> None:
    """`check` reports a path that can be looked up in the file that it names."""

    @dataclass(frozen=True)
    class Always:
        id, severity = "SRV000", "error"

        def check(self, subject: Subject) -> Iterator[Violation]:
            yield Violation(("egress", 1, "cidr"), "is not right")

    service = resolved(tmp_path, {"egress": [REDIS]}, {"defaults": {"egress": [ISTIOD]}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("servestack.review.findings.RULES", (Always(),))
        found = find([service], (), load_settings(tmp_path / "other").document)
    assert [(f.field, f.location.file.name) for f in found] == [("egress[0].cidr", "iris.yaml")]


def test_a_mark_is_found_in_an_optional_section_and_not_in_an_entry_of_a_list() -> None:
    class Entry(BaseModel):
        values: Annotated[tuple[str, ...], Merged()] = ()

    class Section(BaseModel):
        entries: Annotated[tuple[Entry, ...], Merged("name")] = ()

    class Root(BaseModel):
        section: Section | None = None
        others: tuple[Section, ...] = ()

    assert merged_lists(Root) == {("section", "entries"): Merged("name")}


def test_the_mark_needs_no_second_table() -> None:
    assert merged_lists(ModelService)[("env",)] == Merged("name")
    assert set(merged_lists(ModelService)) >= {
        ("env",),
        ("egress",),
        ("scheduling", "tolerations"),
        ("service", "callers"),
    }
