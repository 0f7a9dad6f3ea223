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
from typing import Any

# Read at once: an error that there is no room for another open file must be masked as well.
_BUNDLE: dict[str, Any] = json.loads(
    (files("servestack.secrets") / "gitleaks.json").read_text(encoding="utf-8")
)
_BEFORE_KEYWORD, _AFTER_KEYWORD = 60, 500
_DELIMITERS = str.maketrans(dict.fromkeys(",&@|()[]{}<>", " "))
"""Characters that may end a token here, and that gitleaks' rules do not take for its end."""


@dataclass(frozen=True, slots=True)
class Found:
    """A credential in a text: its place, and words for it that complete "holds …"."""

    start: int
    end: int
    what: str


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule. It applies to a text that contains one of `keywords`, which are in lower case."""

    id: str
    keywords: tuple[str, ...]
    pattern: str
    group: int = 0
    entropy: float = 0.0
    """Bits per character that the token has at least; 0 where its form says enough."""
    nearby: bool = False
    """Whether the token stands close behind the keyword. Then only that part of a text is searched,
    because these patterns are slow: they may begin anywhere in a word."""

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def find(self, text: str) -> Iterator[Found]:
        """Yield every token of this issuer."""
        for start, end in self._places(text):
            yield from self._find_within(text, start, end)

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Return the parts of a text to search: the whole of it, or what is around the keywords."""
        if not self.nearby or len(text) <= _AFTER_KEYWORD:
            return [(0, len(text))]
        lower, places = text.lower(), list[tuple[int, int]]()
        for keyword in self.keywords:
            at = lower.find(keyword)
            while at >= 0:
                places.append((max(0, at - _BEFORE_KEYWORD), at + _AFTER_KEYWORD))
                at = lower.find(keyword, at + _AFTER_KEYWORD - _BEFORE_KEYWORD)
        return places

    def _find_within(self, text: str, start: int, end: int) -> Iterator[Found]:
        for match in self._regex.finditer(text, start, end):
            group = self.group or next((n for n, part in enumerate(match.groups(), 1) if part), 0)
            token = match[group]
            if self.entropy and _entropy(token) <= self.entropy:
                continue
            if not any(placeholder.search(token) for placeholder in _placeholders()):
                what = f"a credential ({self.id.replace('-', ' ')})"
                yield Found(match.start(group), match.end(group), what)


def rules_for(text: str, rules: tuple[Rule, ...] | None = None) -> tuple[Rule, ...]:
    """Return those of the rules, or of all, that apply to a text: a keyword of theirs is in it.

    This is much faster than to search, and faster still for many texts in one.
    """
    lower = text.lower()
    if rules is None:
        found = [rule for keyword, of in _by_keyword() if keyword in lower for rule in of]
        return tuple(dict.fromkeys(found))
    return tuple(rule for rule in rules if any(keyword in lower for keyword in rule.keywords))


def find_tokens(text: str, rules: tuple[Rule, ...] | None = None) -> Iterator[Found]:
    """Yield the tokens in a text, in no order; a token may be found by several rules.

    `rules` are those of a larger text with this one in it. Default: all.
    """
    for rule in rules_for(text, rules):
        spaced = text.translate(_DELIMITERS)
        yield from rule.find(text)
        if spaced != text:
            yield from rule.find(spaced)


def _entropy(text: str) -> float:
    """Return Shannon's entropy, in bits per character."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return the rules of gitleaks."""
    return tuple(Rule(**{**rule, "keywords": tuple(rule["keywords"])}) for rule in _BUNDLE["rules"])


@cache
def _by_keyword() -> tuple[tuple[str, tuple[Rule, ...]], ...]:
    found: dict[str, tuple[Rule, ...]] = {}
    for rule in all_rules():
        for keyword in rule.keywords:
            found[keyword] = (*found.get(keyword, ()), rule)
    return tuple(found.items())


@cache
def _placeholders() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(str(pattern), re.ASCII) for pattern in _BUNDLE["placeholders"])
