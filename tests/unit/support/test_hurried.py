"""Rules in which time runs faster: durations are divided, and nothing else changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servestack.manifests.rules import rule_groups
from tests.support.hurried import hurried, hurried_query, shorter
from tests.support.services import resolved


@pytest.mark.parametrize(
    ("duration", "factor", "expected"),
    [
        ("1h", 60, "60000ms"),
        ("3d", 240, "1080000ms"),
        ("1h30m", 60, "90000ms"),
        ("500ms", 2, "250ms"),
    ],
)
def test_a_duration_is_divided(duration: str, factor: int, expected: str) -> None:
    assert shorter(duration, factor) == expected


@pytest.mark.parametrize("duration", ["", "5", "m", "5 m", "$__interval", "10ms"])
def test_what_cannot_be_divided_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match=r"duration|shorter"):
        shorter(duration, 60)


def test_only_ranges_of_a_query_are_durations() -> None:
    query = 'servestack:errors:ratio_rate1h{window="1h"} > 14.4 * 0.01 and increase(a[1h]) >= 100'
    assert hurried_query(query, 60) == query.replace("[1h]", "[60000ms]")
    assert hurried_query("max_over_time(rate(a[5m])[1h:1m])", 60) == (
        "max_over_time(rate(a[5000ms])[60000ms:1000ms])"
    )


@pytest.mark.parametrize("query", ["a offset 5m", "rate(a[5m] @ 1609746000)"])
def test_a_time_that_would_be_left_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="offset"):
        hurried_query(query, 60)


def test_the_rendered_rules_differ_in_durations_alone(tmp_path: Path) -> None:
    slo = {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}}
    service = resolved(tmp_path, {"monitoring": {"slo": slo, "drift": True}})
    given = rule_groups(service)
    made = hurried(given, 60)
    assert given == rule_groups(service)
    changed = 0
    for before, after in zip(given, made, strict=True):
        for old, new in zip(before["rules"], after["rules"], strict=True):
            assert old.keys() == new.keys()
            for key in old.keys() - {"expr", "for"}:
                assert old[key] == new[key]
            bare = (re.sub(r"\[[\w:]+\]", "[]", rule["expr"]) for rule in (old, new))
            assert next(bare) == next(bare)
            changed += old != new
    assert changed > 20
    assert "h]" not in str(made) and "d]" not in str(made)
