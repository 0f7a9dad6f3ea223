"""What the pictures of the documentation are drawn with."""

from __future__ import annotations

from html import escape

import pytest
from tools.dashboards.grafana import interval, legend
from tools.dashboards.page import page
from tools.dashboards.units import text_of, ticks

from tests.dashboards.conftest import Watched


@pytest.mark.parametrize("board", ["model-service", "fleet"])
def test_every_panel_is_drawn(watched: Watched, board: str) -> None:
    view = watched.view(board)
    drawn = page(view)
    for panel in view.board["panels"]:
        assert escape(panel["title"]) in drawn
    assert drawn.count('class="panel"') == len(view.panels())
    assert 'class="none"' not in drawn, "a panel says that it has no data"
    assert "NaN" not in drawn and "nan" not in drawn.replace("nano", "")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.345, "reqps", "12.3 req/s"),
        (0.00123, "percentunit", "0.12%"),
        (-0.5, "percentunit", "-50%"),
        (0.0042, "s", "4.2 ms"),
        (0.000_25, "s", "250 µs"),
        (0.0, "s", "0 s"),
        (1536.0, "bytes", "1.5 KiB"),
        (2_500_000.0, "short", "2.5 Mil"),
        (14.4, "suffix:x", "14.4x"),
        (float("nan"), "short", "–"),
    ],
)
def test_values_have_their_unit(value: float, unit: str, text: str) -> None:
    assert text_of(value, unit) == text


def test_ticks_are_round() -> None:
    assert ticks(0, 23, 4, "short") == [0, 10, 20]
    assert ticks(0, 2**21, 4, "bytes") == [0, 2**19, 2**20, 3 * 2**19, 2**21]


@pytest.mark.parametrize(
    ("seconds", "points", "least", "step"),
    [
        (10800, 400, "15s", 30),
        (10800, 1500, "15s", 15),
        (86400, 400, "15s", 300),
        (40, 400, "5s", 5),
    ],
)
def test_steps_are_grafanas(seconds: float, points: int, least: str, step: float) -> None:
    assert interval(seconds, points, least) == step


def test_legends_are_filled_in() -> None:
    assert legend("{{a}} {{ b }}", {"a": "1", "c": "2"}) == "1"
    assert legend("", {"__name__": "up", "job": "x"}) == 'up{job="x"}'
