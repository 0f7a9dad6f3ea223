"""Writes plain data as block-style YAML: the same bytes for the same data on every machine.

PyYAML's C and Python emitters fold lines differently, and take milliseconds for one model.
Manifests need little: mappings, lists, text, numbers, booleans. A string is written plain only if
YAML 1.1 (kubectl) and YAML 1.2 both read it as that string. Several lines become a literal block.
Everything else is quoted as JSON, which is YAML in both versions.

Source: https://yaml.org/type/ (1.1 scalars), https://yaml.org/spec/1.2.2 (10.3.2 and 7.3.3).
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any

_PLAIN = re.compile(
    r"^[A-Za-z0-9_/.$%(@^`{~+<=;\\-][^\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]*\Z"
)
_SAFE_START = re.compile(r"^[A-Za-z0-9_/.$(^+<;\\]|^-[A-Za-z0-9_/.-]")
_NOT_PLAIN = re.compile(r": |:\Z| #|[ \t]\Z")
_RESOLVED = re.compile(
    r"""^(?:
      ~|null|true|false|yes|no|on|off|y|n            # null and booleans of both versions
    | [-+]?[0-9_,.]*[0-9][0-9_,.]*(?:e[-+_]*[0-9_]*)?  # decimal; Go drops every _ first
    | [-+]?_*0_*[xob][0-9a-f_]+                      # other bases
    | [-+]?\.(?:inf|nan)
    | [-+]?[0-9][0-9_]*(?::[0-9_.]+)+                # sexagesimal
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*               # dates
    | =|<<|\.|-+|\.{3}.*|---.*
    )\Z""",
    re.VERBOSE | re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z/][A-Za-z0-9_/.-]*\Z")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_LITERAL_FORBIDS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[ \t]$|^\t", re.M
)


def dump(data: dict[str, Any]) -> str:
    """Return one YAML document that ends with a newline.

    Raises TypeError if `data` holds anything but mappings with text keys, lists, text, finite
    numbers and booleans.
    """
    lines: list[str] = []
    if not data:
        return "{}\n"
    _mapping(data, "", lines)
    lines.append("")
    return "\n".join(lines)


def _mapping(data: dict[str, Any], indent: str, lines: list[str], first: str | None = None) -> None:
    """Write the entries of a mapping; `first` is what stands before the first key (`- `)."""
    lead = indent if first is None else first
    deeper = indent + "  "
    for key, value in data.items():
        if type(key) is not str:
            raise TypeError(f"a key must be text, not {key!r}")
        head = f"{lead}{_key(key)}:"
        lead = indent
        kind = type(value)
        if kind is str:
            lines.append(
                f"{head} {scalar(value)}" if "\n" not in value else _block(head, value, deeper)
            )
        elif kind is dict:
            if value:
                lines.append(head)
                _mapping(value, deeper, lines)
            else:
                lines.append(head + " {}")
        elif kind is list:
            if value:
                lines.append(head)
                _sequence(value, indent, lines)
            else:
                lines.append(head + " []")
        else:
            lines.append(f"{head} {_number(value)}")


def _sequence(data: list[Any], indent: str, lines: list[str], first: str | None = None) -> None:
    lead = (indent if first is None else first) + "- "
    deeper = indent + "  "
    for value in data:
        kind = type(value)
        if kind is str:
            lines.append(
                lead + scalar(value) if "\n" not in value else _block(lead[:-1], value, deeper)
            )
        elif kind is dict:
            if value:
                _mapping(value, deeper, lines, lead)
            else:
                lines.append(lead + "{}")
        elif kind is list:
            if value:
                _sequence(value, deeper, lines, lead)
            else:
                lines.append(lead + "[]")
        else:
            lines.append(lead + _number(value))
        lead = indent + "- "


@lru_cache(maxsize=32768)
def _key(key: str) -> str:
    # A key longer than 1,024 characters as written would need `? `; no manifest has one.
    text = scalar(key)
    if len(text) > 1000:
        raise TypeError("a key is longer than 1,000 characters")
    return text


@lru_cache(maxsize=32768)
def scalar(text: str) -> str:
    """Return a string as YAML on one line: plain if that is safe, else quoted."""
    if _NAME.match(text) and text.lower() not in _WORDS:
        return text  # Most texts are names and paths, and need no further look.
    if (
        text
        and _SAFE_START.match(text)
        and _PLAIN.match(text)
        and not _NOT_PLAIN.search(text)
        and not _RESOLVED.match(text)
    ):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if _NEEDS_ESCAPE.search(quoted):
        quoted = _NEEDS_ESCAPE.sub(_escape, quoted)
    return quoted


_NEEDS_ESCAPE = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        raise TypeError("text contains half of a surrogate pair, which is not a character")
    return f"\\u{code:04x}"


def _block(head: str, text: str, indent: str) -> str:
    """Several lines as a literal block where that is exact, else quoted."""
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    if not body or not _is_literal(text) or body[0] in " \n":
        return f"{head} {_quoted(text)}"
    chomping = ("-", "", "+")[min(trailing, 2)]
    if "\n\n" in body:
        indented = "\n".join([indent + line if line else "" for line in body.split("\n")])
    else:
        indented = indent + body.replace("\n", "\n" + indent)
    return f"{head} |{chomping}\n{indented}" + "\n" * (trailing - 1)


def _is_literal(text: str) -> bool:
    """Whether a literal block holds exactly this text: no line ends in a space, and so on."""
    flat = text.replace("\n", "")
    if flat.isascii() and flat.isprintable():  # Much faster than the pattern.
        return not (" \n" in text or text.endswith(" "))
    return _LITERAL_FORBIDS.search(text) is None


def _number(value: Any) -> str:
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float and math.isfinite(value):
        text = repr(value)
        # YAML 1.1 wants a point in a float: 1e+22 would be text.
        mantissa, exponent, power = text.partition("e")
        if exponent and "." not in mantissa:
            mantissa += ".0"
        sign = "" if not exponent or power.startswith(("-", "+")) else "+"
        return f"{mantissa}{exponent}{sign}{power}"
    raise TypeError(f"{value!r} is not plain data")
