"""Writes modules/servestack_contract/stock_image_data.py: what the stock image has.

    python -m tools.stock_image          write it
    python -m tools.stock_image --check  fail where it is stale

The truth is serving_image/requirements/<variant>.txt, and the Python of the Containerfile's BASE.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement

from tools.generated import write_or_check

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "modules/servestack_contract/stock_image_data.py"
REQUIREMENTS = ROOT / "serving_image/requirements"
_BASE = re.compile(r"^ARG BASE=python:(?P<python>\d+\.\d+)-", re.MULTILINE)
_HEAD = '''"""Written by `python -m tools.stock_image` from serving_image: what the stock image has."""

PYTHON = "{python}"

PACKAGES: dict[str, dict[str, str]] = {{
'''


def main() -> int:
    return write_or_check({TARGET: build()}, "python -m tools.stock_image")


def build() -> str:
    """Return the module's text. Other variants than `base` list only what they add."""
    match = _BASE.search((ROOT / "serving_image/Containerfile").read_text(encoding="utf-8"))
    assert match is not None, "the Containerfile names no Python as its BASE"
    python = match["python"]
    base = packages_of("base", python)
    lines = [_HEAD.format(python=python)]
    for variant in ["base", *sorted(file.stem for file in REQUIREMENTS.glob("*.txt"))]:
        if variant == "base" and len(lines) > 1:
            continue
        found = packages_of(variant, python)
        added = found if variant == "base" else dict(sorted(found.items() - base.items()))
        lines += [f'    "{variant}": {{\n']
        lines += [f'        "{name}": "{version}",\n' for name, version in added.items()]
        lines += ["    },\n"]
    return "".join([*lines, "}\n"])


def packages_of(variant: str, python: str) -> dict[str, str]:
    """Return name → version of a variant's packages on Linux with that Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    packages = {}
    for line in (REQUIREMENTS / f"{variant}.txt").read_text(encoding="utf-8").splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        requirement = Requirement(line.removesuffix("\\").strip())
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            packages[requirement.name.lower()] = pin.version
    return dict(sorted(packages.items()))


if __name__ == "__main__":
    raise SystemExit(main())
