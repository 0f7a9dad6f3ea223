"""What the docs promise is there: ids, links, no machine's paths or registries' hosts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from servestack.review.policy.registry import RULES
from tests.support.projects import REPOSITORY


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout
    return [Path(line) for line in listed.splitlines() if (REPOSITORY / line).is_file()]


def test_every_id_is_documented() -> None:
    sources = (REPOSITORY / "modules/servestack").rglob("*.py")
    used = {id for file in sources for id in re.findall(r'"(SRV\d{3})"', file.read_text())}
    documented = set(re.findall(r"SRV\d{3}", (REPOSITORY / "docs/errors.md").read_text()))
    assert not used - documented, "add a row to docs/errors.md"
    assert not documented - used, "no code has this id: remove its row in docs/errors.md"
    for rule in RULES:
        row = f"| {rule.id} | {rule.severity} | {rule.title} |"
        assert row in (REPOSITORY / "docs/errors.md").read_text(), "add this row to docs/errors.md"


def test_nothing_names_a_machine_or_a_registry_host() -> None:
    forbidden = re.compile(
        r"/root/|/work/main|"
        + "|".join(("pypi" + r"\.org", "pythonhosted", "npmjs", "proxy.golang", "repo1.maven"))
    )
    for file in tracked():
        if file.suffix in (".sum", ".mod") or file.name == "test_docs.py":
            continue
        text = (REPOSITORY / file).read_text(encoding="utf-8", errors="replace")
        found = forbidden.search(text)
        assert found is None, f"{file}: {found}"


def test_the_event_schema_fits_its_example() -> None:
    import json

    import jsonschema

    schema = json.loads((REPOSITORY / "logging/event.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    for example in schema["examples"]:
        jsonschema.validate(example, schema)
        assert next(iter(example)) == "id"


def test_no_link_leads_nowhere(tmp_path: Path) -> None:
    from tools.links import broken_links, markdown_files

    assert [line for file in markdown_files() for line in broken_links(file)] == []


def test_a_broken_link_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tools import links

    monkeypatch.setattr(links, "REPOSITORY", tmp_path)
    (tmp_path / "b.md").write_text("# One heading\n")
    page = tmp_path / "a.md"
    page.write_text(
        "# a\n[good](b.md#one-heading) [web](https://a.example)\n`[no](link.md)`\n"
        "[gone](c.md)\n[wrong](b.md#two)\n"
    )
    assert list(links.broken_links(page)) == [
        "a.md:4: c.md: there is no such file",
        "a.md:5: b.md#two: there is no such heading",
    ]
