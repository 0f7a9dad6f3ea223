"""The rules of gitleaks find what their patterns describe, behind a keyword, wherever it stands."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servestack.secrets.tokens import Rule, all_rules, find_tokens, rules_for
from tests.support.projects import REPOSITORY

RULES = {rule.id: rule for rule in all_rules()}
FORMS = {id: rule for id, rule in RULES.items() if not rule.entropy}
"""The others need a token that looks random, which a drawn one does not."""


def test_there_are_as_many_as_gitleaks_has() -> None:
    assert len(RULES) > 200
    assert all(rule.keywords for rule in RULES.values())


@pytest.mark.parametrize("rule", FORMS.values(), ids=FORMS)
@given(data=st.data())
@settings(max_examples=1, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_what_a_pattern_describes_is_found(rule: Rule, data: st.DataObject) -> None:
    token = data.draw(st.from_regex(re.compile(rule.pattern, re.ASCII), fullmatch=True))
    text = f"{rule.keywords[0]} {token} "
    assert rule in rules_for(text)
    named = {found.what for found in find_tokens(text)}
    assert f"a credential ({rule.id.replace('-', ' ')})" in named


@pytest.mark.parametrize("after", ["", " ", "\n", '"', ",", "&x=1", "@host", ")", "}"])
def test_a_token_may_end_at_what_ends_a_word(after: str) -> None:
    token = "glsa_" + "a1B2c3D4" * 4 + "_" + "0123abcd"
    found = [text for one in find_tokens(f"x {token}{after}") if (text := (one.start, one.end))]
    assert (2, 2 + len(token)) in found


def test_a_token_without_a_form_of_its_own_must_look_random() -> None:
    assert list(find_tokens("datadog_key = " + "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a"))
    assert not list(find_tokens("datadog_key = " + "a" * 40))


@pytest.mark.parametrize(
    ("go", "text", "matches"),
    [
        (r"a(?i)b", "aB", True), (r"a(?i)b", "AB", False), (r"(x(?i)y)z", "xYZ", False),
        (r"(x(?i)y)z", "xYz", True), (r"(?:x(?i)y|z)w", "Zw", True),
        (r"(?:x(?i)y|z)w", "XYw", False), (r"[(](?i)b", "(B", True), (r"\((?i)b", "(B", True),
        (r"a$", "a\n", False), (r"a\z", "a\n", False), (r"[$]a", "$a", True),
        (r"(?:a|$)b?", "", True), (r"[[:alnum:]]{2}", "a1", True),
    ],
)  # fmt: skip
def test_go_s_syntax_keeps_its_meaning_in_python(go: str, text: str, matches: bool) -> None:
    spec = spec_from_file_location("bundle", REPOSITORY / "tools/secrets/bundle.py")
    assert spec is not None and spec.loader is not None
    bundle = module_from_spec(spec)
    spec.loader.exec_module(bundle)
    assert bool(re.search(bundle.in_python(go), text)) is matches


def test_a_slow_pattern_is_searched_for_only_near_its_keyword() -> None:
    token = "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a"
    words = "a" * 100_000
    text = f"{words} meraki {words}; meraki_key = {token}"
    (found,) = find_tokens(text)
    assert text[found.start : found.end] == token
