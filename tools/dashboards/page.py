"""A dashboard drawn as an HTML page: Grafana's grid and panels, by our own means, from real data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from tools.dashboards import plot
from tools.dashboards.grafana import Json, Mark, Series, View
from tools.dashboards.plot import COLOURS, PALETTE, Line
from tools.dashboards.units import text_of

WIDTH = 1320
"""Of the page, in pixels."""
_CELL, _GAP, _PAD = 30, 8, 12
_HEAD = 34
_STYLE = """
* { box-sizing: border-box; margin: 0; }
body { font: 13px/1.35 "Inter", "Helvetica Neue", "Liberation Sans", Arial, sans-serif; color: #24292e;
  background: #f4f5f5; width: WIDTHpx; padding: 10px; }
section { position: relative; padding: 8px; }
h2 { font-size: 16px; font-weight: 600; padding: 4px 0 10px; }
h2 small { font-weight: 400; font-size: 12px; color: #6b7280; margin-left: 14px; }
h2 small b { font-size: 13px; }
.panel { position: absolute; background: #fff; border: 1px solid #dfe2e6; border-radius: 3px; overflow: hidden; }
.panel h3 { font-size: 13px; font-weight: 600; padding: 8px 12px 4px; height: 34px; white-space: nowrap; }
.panel h3 i { display: inline-block; width: 13px; height: 13px; margin-left: 7px; border: 1px solid #b4bac2; border-radius: 50%; color: #8d949d; font: 700 9px/11px serif; text-align: center; vertical-align: 1px; }
.legend { padding: 0 12px; display: flex; flex-wrap: wrap; gap: 1px 14px; font-size: 11.5px; color: #464c54; }
.legend span { white-space: nowrap; }
.legend b { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 5px; vertical-align: 3px; }
.number { text-align: center; font-weight: 600; }
.tiles { display: flex; height: 78px; }
.tiles div { flex: 1; text-align: center; padding-top: 6px; }
.tiles em { font-style: normal; display: block; font-size: 13px; color: #6b7280; }
.tiles strong { font-size: 30px; }
svg { display: block; }
.spark { position: absolute; bottom: 0; left: 0; }
table { width: 100%; border-collapse: collapse; font-size: 12.5px; }
th { text-align: left; font-weight: 600; color: #2f6fd0; border-bottom: 1px solid #dfe2e6; padding: 5px 12px; white-space: nowrap; }
td { padding: 5px 12px; border-bottom: 1px solid #eef0f2; white-space: nowrap; }
td.n, th.n { text-align: right; }
td a { color: #2f6fd0; text-decoration: underline; }
.bars { padding: 4px 12px; }
.bar { display: flex; align-items: center; height: 30px; gap: 10px; }
.bar span { width: 110px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right; font-size: 12.5px; }
.bar div { flex: 1; background: #eef0f2; height: 18px; border-radius: 2px; }
.bar div div { height: 100%; }
.bar b { width: 74px; font-weight: 600; }
.none { text-align: center; color: #6b7280; padding-top: 24px; font-size: 14px; }
"""


def page(view: View) -> str:
    """All sections of a dashboard; each is a <section> with the id of its number."""
    marks = view.marks()
    sections: list[tuple[str, list[Json]]] = []
    for panel in view.board["panels"]:
        if panel["type"] == "row":
            sections.append((panel["title"], []))
        else:
            sections[-1][1].append(panel)
    drawn = "".join(
        _section(view, marks, number, title, panels)
        for number, (title, panels) in enumerate(sections)
    )
    style = _STYLE.replace("WIDTH", str(WIDTH))
    return f'<!doctype html><meta charset="utf-8"><style>{style}</style><body>{drawn}</body>'


def _section(
    view: View, marks: Sequence[Mark], number: int, title: str, panels: Sequence[Json]
) -> str:
    first = min(panel["gridPos"]["y"] for panel in panels)
    last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    height = (last - first) * (_CELL + _GAP)
    column = (WIDTH - 36) / 24
    drawn = []
    for panel in panels:
        place = panel["gridPos"]
        width = place["w"] * column - _GAP
        tall = place["h"] * (_CELL + _GAP) - _GAP
        left, top = place["x"] * column, (place["y"] - first) * (_CELL + _GAP)
        body = _KINDS[panel["type"]](view, marks, panel, width - 2, tall - _HEAD - 2)
        drawn.append(
            f'<div class="panel" style="left:{left:.0f}px;top:{top}px;width:{width:.0f}px;height:{tall}px">'
            f"<h3>{escape(panel['title'])}<i>i</i></h3>{body}</div>"
        )
    kinds = dict.fromkeys((mark.name, COLOURS[mark.colour]) for mark in marks)
    told = " ".join(
        f'<small><b style="color:{colour}">▲</b> {escape(name)}</small>' for name, colour in kinds
    )
    return (
        f'<section id="s{number}"><h2>{escape(title)}{told}</h2>'
        f'<div style="position:relative;height:{height}px">{"".join(drawn)}</div></section>'
    )


def _timeseries(view: View, marks: Sequence[Mark], panel: Json, width: float, height: float) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    lines = _lines(panel, [one for frame in view.frames(panel) for one in frame.series])
    if not lines:
        return _nothing(panel)
    named = [(line.series.name, line.colour) for line in lines]
    room = sum(len(name) * 6.4 + 34 for name, _ in named)
    rows = min(3, math.ceil(room / (width - 24)))
    steps = defaults.get("thresholds", {}).get("steps", [])
    limits = [(COLOURS[s["color"]], float(s["value"])) for s in steps if s["value"] is not None]
    drawn = plot.graph(
        lines, limits, marks, width=width, height=height - rows * 17 - 6, start=view.start,
        end=view.end, unit=defaults["unit"], stacked="stacking" in custom,
        steps=custom.get("lineInterpolation") == "stepAfter", most=defaults.get("max"),
    )  # fmt: skip
    return drawn + _legend(named)


def _heatmap(view: View, marks: Sequence[Mark], panel: Json, width: float, height: float) -> str:
    (frame,) = view.frames(panel)
    if not frame.series:
        return _nothing(panel)
    return plot.heat(
        frame.series, marks, width=width, height=height - 4, start=view.start, end=view.end,
        unit=panel["options"]["yAxis"]["unit"],
    )  # fmt: skip


def _stat(view: View, marks: Sequence[Mark], panel: Json, width: float, height: float) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    series = [one for frame in view.frames(panel) for one in frame.series]
    if panel["options"]["textMode"] == "value_and_name":
        # One that has ended has no value now.
        newest = max((one.points[-1][0] for one in series), default=0.0)
        series = [one for one in series if one.points[-1][0] == newest]
        tiles = [
            f'<div><em>{escape(one.name)}</em><strong style="color:{_colour(one.last, defaults)}">'
            f"{text_of(one.last, defaults['unit'], defaults.get('decimals'))}</strong></div>"
            for one in series
        ]
        return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else _nothing(panel)
    if not series or math.isnan(series[0].last):
        return _nothing(panel)
    one = series[0]
    colour = _colour(one.last, defaults)
    text = text_of(one.last, defaults["unit"], defaults.get("decimals"))
    size = 32 if len(text) < 8 else 26
    line = plot.spark(one.points, colour, width=width, height=height * 0.5)
    return (
        f'<div class="number" style="color:{colour};font-size:{size}px">{escape(text)}</div>'
        f'<div class="spark">{line}</div>'
    )


def _bargauge(view: View, marks: Sequence[Mark], panel: Json, width: float, height: float) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    series = [one for frame in view.frames(panel) for one in frame.series]
    if not series:
        return _nothing(panel)
    most = max(one.last for one in series) or 1.0
    bars = "".join(
        f'<div class="bar"><span>{escape(one.name)}</span><div><div style="width:'
        f'{max(0.5, 100 * one.last / most):.1f}%;background:{_colour(one.last, defaults)}"></div></div>'
        f"<b>{escape(text_of(one.last, defaults['unit']))}</b></div>"
        for one in series
    )
    return f'<div class="bars">{bars}</div>'


def _table(view: View, marks: Sequence[Mark], panel: Json, width: float, height: float) -> str:
    table = view.table(panel)
    if not table.rows:
        return _nothing(panel)
    settings: dict[str, dict[str, Any]] = {name: {} for name in table.columns}
    for override in panel["fieldConfig"].get("overrides", []):
        name = override["matcher"]["options"]
        settings.setdefault(name, {}).update({p["id"]: p["value"] for p in override["properties"]})
    shown = [
        (index, name)
        for index, name in enumerate(table.columns)
        if not settings[name].get("custom.hidden")
    ]
    numeric = {
        name for index, name in shown if any(isinstance(r[index], float) for r in table.rows)
    }
    head = "".join(
        f'<th class="{"n" if name in numeric else ""}">{escape(name)}</th>' for _, name in shown
    )
    body = "".join(
        "<tr>" + "".join(_cell(row[index], settings[name]) for index, name in shown) + "</tr>"
        for row in table.rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: float | str | None, settings: Json) -> str:
    if not isinstance(value, float):
        text = escape(value or "")
        return f"<td>{f'<a>{text}</a>' if 'links' in settings else text}</td>"
    text = text_of(value, settings.get("unit", "short"), settings.get("decimals"))
    colour = _colour(value, settings) if "thresholds" in settings else "inherit"
    return f'<td class="n" style="color:{colour}">{escape(text)}</td>'


_KINDS: dict[str, Callable[[View, Sequence[Mark], Json, float, float], str]] = {
    "timeseries": _timeseries,
    "heatmap": _heatmap,
    "stat": _stat,
    "bargauge": _bargauge,
    "table": _table,
}


def _lines(panel: Json, series: Sequence[Series]) -> list[Line]:
    """The series with their colours: those of overrides, else the palette in turn."""
    overrides = panel["fieldConfig"].get("overrides", [])
    found, shades = [], dict[str, int]()
    for index, one in enumerate(series):
        colour, dashed = PALETTE[index % len(PALETTE)], False
        for override in overrides:
            matcher = override["matcher"]
            pattern = matcher["options"].strip("/")
            by_name = matcher["id"] == "byName" and pattern == one.name
            if not (by_name or (matcher["id"] == "byRegexp" and re.search(pattern, one.name))):
                continue
            given = {each["id"]: each["value"] for each in override["properties"]}
            dashed = dashed or "custom.lineStyle" in given
            if "color" in given:
                colour = COLOURS[given["color"]["fixedColor"]]
                if given["color"]["mode"] == "shades":
                    shades[colour] = shades.get(colour, -1) + 1
                    colour = plot.shade(colour, shades[colour])
        found.append(Line(one, colour, dashed))
    return found


def _colour(value: float, defaults: Json) -> str:
    """The colour of the highest threshold that a value reaches."""
    colour = COLOURS["text"]
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            colour = COLOURS[step["color"]]
    return colour


def _legend(named: Sequence[tuple[str, str]]) -> str:
    spans = "".join(
        f'<span><b style="background:{colour}"></b>{escape(name)}</span>' for name, colour in named
    )
    return f'<div class="legend">{spans}</div>'


def _nothing(panel: Json) -> str:
    return f'<div class="none">{escape(panel["fieldConfig"]["defaults"]["noValue"])}</div>'
