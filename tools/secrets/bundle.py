"""Writes the rules by which servestack knows tokens, from those that gitleaks publishes.

gitleaks (MIT, Copyright (c) 2019 Zachary Rice) keeps the forms of the tokens of some two hundred
issuers. Its version is pinned in go.mod next to this file. Patterns are rewritten only where Go's
syntax is not Python's; one that cannot be rewritten is an error here.

    python tools/secrets/bundle.py          write modules/servestack/secrets/gitleaks.json
    python tools/secrets/bundle.py --check  fail where it is stale
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parent.parent / "modules/servestack/secrets/gitleaks.json"
GITLEAKS = "github.com/zricethezav/gitleaks/v8"
LEFT_OUT = {
    # Any text after a word such as "key": servestack judges by the names of variables instead.
    "generic-api-key",
    # Go's regexp takes time in proportion to the text; Python's would take minutes for these.
    "curl-auth-header",
    "curl-auth-user",
}
_FLAG = re.compile(r"\(\?([a-z]+|-[a-z]+)\)")
_BEHIND_A_NAME = r"[\w.-]{0,50}?(?:"
"""How gitleaks begins a rule that needs the issuer's name before a token without a form of its own."""


def main() -> int:
    text = json.dumps(bundle(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if TARGET.is_file() and TARGET.read_text() == text:
            return 0
        print(f"stale: {TARGET.name}; run python tools/secrets/bundle.py", file=sys.stderr)
        return 1
    TARGET.write_text(text)
    return 0


def bundle() -> dict[str, Any]:
    output = subprocess.run(
        ["go", "mod", "download", "-json", GITLEAKS],
        cwd=HERE, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    module = json.loads(output)
    config = tomllib.loads((Path(module["Dir"]) / "config/gitleaks.toml").read_text())
    return {
        "source": f"{GITLEAKS} {module['Version']}, config/gitleaks.toml",
        "license": (Path(module["Dir"]) / "LICENSE").read_text(),
        "placeholders": [in_python(pattern) for pattern in config["allowlist"]["regexes"]],
        "rules": [rule_of(rule) for rule in config["rules"] if is_taken(rule)],
    }


def is_taken(rule: dict[str, Any]) -> bool:
    """Whether a rule is about text in any file."""
    return "path" not in rule and rule["id"] not in LEFT_OUT


def rule_of(rule: dict[str, Any]) -> dict[str, Any]:
    taken = {
        "id": rule["id"],
        "keywords": rule["keywords"],
        "pattern": in_python(rule["regex"]),
    }
    if "secretGroup" in rule:
        taken["group"] = rule["secretGroup"]
    if _BEHIND_A_NAME in rule["regex"]:
        taken["nearby"] = True
    if "entropy" in rule and _BEHIND_A_NAME in rule["regex"]:
        # A token with a form of its own counts however it looks: nobody writes `ghp_` and 36
        # letters for anything else.
        taken["entropy"] = rule["entropy"]
    return taken


def in_python(pattern: str) -> str:
    """A pattern of Go's regexp as one of Python's. Raises re.error where it is none."""
    # `$` and `\z` are the end of the text; Python's `$` also matches before a last newline.
    text = re.sub(r"(?<!\\)\\z", r"\\Z", pattern)
    text = re.sub(r"\$(?=\)|\||$)(?<!\\\$)", r"\\Z", text).replace("[[:alnum:]]", "[0-9A-Za-z]")
    text = with_scoped_flags(text)
    re.compile(text, re.ASCII)
    return text


def with_scoped_flags(pattern: str) -> str:
    """Go's `(?i)` holds to the end of the group around it; Python has `(?i:…)` for that."""
    flags: list[list[str]] = [[]]
    result, index, in_class = "", 0, False
    while index < len(pattern):
        char = pattern[index]
        flag = _FLAG.match(pattern, index)
        if char == "\\":
            result += pattern[index : index + 2]
            index += 2
            continue
        if in_class or char == "[":
            in_class = char != "]"
        elif flag:
            result += f"(?{flag[1]}:"
            flags[-1].append(flag[1])
            index = flag.end()
            continue
        elif char == "(":
            flags.append([])
        elif char == ")":
            result += ")" * len(flags.pop())
        elif char == "|":
            # The flag holds for the alternatives that follow too, and they stay alternatives.
            result += ")" * len(flags[-1]) + "|" + "".join(f"(?{name}:" for name in flags[-1])
            index += 1
            continue
        result += char
        index += 1
    return result + ")" * len(flags[-1])


if __name__ == "__main__":
    sys.exit(main())
