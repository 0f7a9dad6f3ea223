"""docs/operations/alerts.md has one section for each alert, to which the alert can link."""

from __future__ import annotations

import re

from tools.links import anchors_of

from tests.support.projects import REPOSITORY

PAGE = REPOSITORY / "docs/operations/alerts.md"
TITLES = re.compile(r'"(?:availability|latency)": \("(\w+)"')
"""The rest of the names that a template puts together."""
LOOPED = re.compile(r'"(ModelService\w+)"')
"""Whole names, where a template has one rule for several alerts."""


def alerts() -> set[str]:
    """The names of all alerts of the templates."""
    names: set[str] = set()
    for template in sorted((REPOSITORY / "monitoring/rules").glob("*.yaml.j2")):
        text = template.read_text(encoding="utf-8")
        for name in re.findall(r"- alert: (.+)", text):
            if name == "<< alert >>":
                names |= set(LOOPED.findall(text))
            else:
                names |= {
                    name.replace("<< title >>", title) for title in TITLES.findall(text) or [""]
                }
    return names


def test_every_alert_has_its_section_and_no_section_is_left_over() -> None:
    assert len(alerts()) >= 10
    assert all(re.fullmatch(r"ModelService\w+", name) for name in alerts())
    assert set(re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == alerts()
    assert {name.lower() for name in alerts()} <= anchors_of(PAGE)


def test_rendered_alerts_are_among_them() -> None:
    rules = (REPOSITORY / "rendered").rglob("*rule*.yaml")
    rendered = {n for file in rules for n in re.findall(r"- alert: (\w+)", file.read_text("utf-8"))}
    assert rendered and rendered <= alerts()


def test_every_section_says_all_that_is_needed() -> None:
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    parts = (
        "**Users feel:**",
        "**The figure:**",
        "**Look at:**",
        "**Fix it:**",
        "**Wake somebody else:**",
    )
    for section in sections:
        positions = [section.find(part) for part in parts]
        assert -1 not in positions, section[:60]
        assert positions == sorted(positions), section[:60]
        looks = section[positions[2] : positions[3]]
        assert re.findall(r"^(\d)\. ", looks, re.MULTILINE)[:3] == ["1", "2", "3"], section[:60]
        assert "```" in looks, section[:60]
