"""Tokens of known issuers, by the rules of gitleaks (gitleaks.json, from tools/secrets/bundle.py)."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

_DELIMITERS = str.maketrans(dict.fromkeys(",&@|()[]{}<>", " "))
"""Characters that may end a token here, and that gitleaks' rules do not take for its end."""


@dataclass(frozen=True, slots=True)
class Found:
    """A credential in a text: its place, and words for it that complete "holds …"."""

    start: int
    end: int
    what: str


@dataclass(frozen=True)
class Rule:
    """One rule. It applies to a text that contains one of `keywords`, which are in lower case."""

    id: str
    keywords: tuple[str, ...]
    pattern: str
    group: int = 0
    entropy: float = 0.0
    """Bits per character that the token has at least; 0 where its form says enough."""

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def find(self, text: str) -> Iterator[Found]:
        """Yield every token of this issuer."""
        for match in self._regex.finditer(text):
            group = self.group or next((n for n, part in enumerate(match.groups(), 1) if part), 0)
            token = match[group]
            if self.entropy and _entropy(token) <= self.entropy:
                continue
            if not any(placeholder.search(token) for placeholder in _placeholders()):
                what = f"a credential ({self.id.replace('-', ' ')})"
                yield Found(match.start(group), match.end(group), what)


def find_tokens(text: str) -> Iterator[Found]:
    """Yield the tokens in a text, in no order; a token may be found by several rules."""
    lower = text.lower()
    for rule in _rules():
        if any(keyword in lower for keyword in rule.keywords):
            spaced = text.translate(_DELIMITERS)
            yield from rule.find(text)
            if spaced != text:
                yield from rule.find(spaced)


def may_hold_tokens(text: str) -> bool:
    """Return whether any rule applies to a text at all; much faster than to search it."""
    lower = text.lower()
    return any(keyword in lower for keyword in _keywords())


def _entropy(text: str) -> float:
    """Return Shannon's entropy, in bits per character."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


@cache
def _bundle() -> dict[str, list[dict[str, object]]]:
    bundle: dict[str, list[dict[str, object]]] = json.loads(
        (files("servestack.secrets") / "gitleaks.json").read_text(encoding="utf-8")
    )
    return bundle


@cache
def _rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(**{**rule, "keywords": tuple(rule["keywords"])})  # type: ignore[arg-type]
        for rule in _bundle()["rules"]
    )


@cache
def _keywords() -> tuple[str, ...]:
    return tuple(dict.fromkeys(keyword for rule in _rules() for keyword in rule.keywords))


@cache
def _placeholders() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(str(pattern), re.ASCII) for pattern in _bundle()["placeholders"])
