"""What the docs promise is there: ids, folders' READMEs, no machine's paths or registries' hosts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from servestack.review.policy.registry import RULES
from tests.support.projects import REPOSITORY

GENERATED = ("rendered/", "tests/unit/spec/invalid", "modules/servestack/skeleton/", "golden")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout
    return [Path(line) for line in listed.splitlines() if (REPOSITORY / line).is_file()]


def test_every_id_is_documented() -> None:
    sources = (REPOSITORY / "modules/servestack").rglob("*.py")
    used = {id for file in sources for id in re.findall(r'"(SRV\d{3})"', file.read_text())}
    documented = set(re.findall(r"SRV\d{3}", (REPOSITORY / "docs/errors.md").read_text()))
    assert used == documented - {"SRV100"}
    for rule in RULES:
        row = f"| {rule.id} | {rule.severity} | {rule.title} |"
        assert row in (REPOSITORY / "docs/errors.md").read_text()


def test_every_folder_has_its_readme() -> None:
    folders = {folder for file in tracked() for folder in file.parents}
    for folder in folders:
        path = f"{folder.as_posix()}/"
        if any(part in path for part in GENERATED) or re.fullmatch(r"examples/\w+/\w+/", path):
            continue
        assert (REPOSITORY / folder / "README.md").exists(), folder


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
