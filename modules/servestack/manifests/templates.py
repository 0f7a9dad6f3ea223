"""Text from the Jinja templates of logging/ and monitoring/.

Most models differ only in their names and numbers. So a template is rendered once for each
structure, with placeholders such as `@service@`, and kept as a %-format. The package brings the
formats of the usual structures (forms.json, written by tools/forms.py), since to load Jinja and to
compile the templates takes a tenth of the time of a short command (docs/adr/0007).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from servestack.data import read_template

FORMS_FILE = Path(__file__).parent / "forms.json"

Structure = Mapping[str, Any]
"""What decides on the structure of a text: plain JSON data, without a model's own values."""
Make = Callable[[str, Structure], str]
"""Makes the form of a template for a structure with Jinja."""

_PLACEHOLDER = re.compile(r"@([a-z_]+)@")


def form(template: str, structure: Structure, make: Make) -> str:
    """The %-format of a template for a structure: one that the package brings, or a new one."""
    key = form_key(structure)
    return _kept(template).get(key) or _made(template, key, make)


def form_key(structure: Structure) -> str:
    """The key of a structure in the file of forms."""
    return json.dumps(structure, sort_keys=True)


@lru_cache(maxsize=512)
def _made(template: str, key: str, make: Make) -> str:
    return make(template, json.loads(key))


@cache
def _kept(template: str) -> dict[str, str]:
    """The forms that the package brings, unless the template has changed since they were made."""
    kept: dict[str, Any] = _all_kept().get(template, {})
    if kept.get("sha256") != template_digest(template):
        return {}
    forms: dict[str, str] = kept["forms"]
    return forms


@cache
def _all_kept() -> dict[str, Any]:
    if not FORMS_FILE.exists():
        return {}
    kept: dict[str, Any] = json.loads(FORMS_FILE.read_text(encoding="utf-8"))
    return kept


def template_digest(template: str) -> str:
    """The SHA-256 of a template, in hex, by which its forms are known to be its own."""
    return hashlib.sha256(read_template(template).encode()).hexdigest()


def format_of(text: str) -> str:
    """Text with placeholders such as `@service@` as a %-format, which is quick to fill in."""
    return _PLACEHOLDER.sub(r"%(\1)s", text.replace("%", "%%"))


def fill(form: str, values: Mapping[str, str]) -> str:
    """JSON text from its %-format. Raises KeyError if a value is missing."""
    return form % {
        name: json.dumps(text, ensure_ascii=False)[1:-1] for name, text in values.items()
    }


def rendered(template: str, values: Mapping[str, Any], **syntax: Any) -> str:
    """A template rendered with Jinja. `syntax` are options of its Environment."""
    text: str = _compiled(template, tuple(sorted(syntax.items()))).render(values)
    return text


@lru_cache(maxsize=16)
def _compiled(template: str, syntax: tuple[tuple[str, Any], ...]) -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        **dict(syntax),
    )
    return environment.from_string(read_template(template))
