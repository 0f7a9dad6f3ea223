"""Forms that come with the package: the same text as Jinja's, and never an old one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.forms import usual

from servestack.manifests import rules, templates
from servestack.manifests.templates import form, form_key
from tests.support.services import resolved


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """What a test changes is read anew, and forgotten after it."""
    for cached in (templates._all_kept, templates._kept, templates._made):
        cached.cache_clear()
    yield
    for cached in (templates._all_kept, templates._kept, templates._made):
        cached.cache_clear()


def unwanted(template: str, structure: Any) -> str:
    raise AssertionError(f"{structure} was made anew")


def test_usual_structures_need_no_jinja() -> None:
    for template, make, structures in usual():
        for structure in structures:
            assert form(template, structure, unwanted) == make(template, structure)


def test_another_structure_is_made_anew() -> None:
    structure = rules.slo_structure([], alerts=False)
    assert form(rules.SLO_TEMPLATE, structure, lambda _, given: form_key(given)) == form_key(
        structure
    )


def test_forms_of_an_older_template_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure = rules.slo_structure([], alerts=True)
    old = {"sha256": "0" * 64, "forms": {form_key(structure): "an old form"}}
    file = tmp_path / "forms.json"
    file.write_text(json.dumps({rules.SLO_TEMPLATE: old}))
    monkeypatch.setattr(templates, "FORMS_FILE", file)
    assert form(rules.SLO_TEMPLATE, structure, lambda *given: "a new form") == "a new form"


def test_a_percent_sign_stays_one(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"monitoring": {"slo": {"availability": 99.5}}})
    text = json.dumps(rules.rule_groups(service))
    assert "99.5% of the requests" in text
    assert "%%" not in text
