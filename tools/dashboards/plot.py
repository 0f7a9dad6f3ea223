"""Graphs, heat maps and small lines as SVG, on a light background."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tools.dashboards.grafana import Mark, Series
from tools.dashboards.units import text_of, ticks

COLOURS = {
    "green": "#1a8f4c", "orange": "#e8730c", "red": "#d6293e", "blue": "#2f6fd0", "text": "#464c54",
    "transparent": "none",
}  # fmt: skip
PALETTE = (
    "#3a78c9", "#e0912f", "#57a55a", "#c4496b", "#7c5cc4", "#2fa3a3", "#a8763e", "#d46fb0", "#6b7d8f",
    "#b8a11f",
)  # fmt: skip
GRID, AXIS = "#e6e8eb", "#6b7280"
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 10, 24
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A series as it is drawn."""

    series: Series
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Frame:
    """The place of a graph: its size in pixels, and the values at its edges."""

    width: float
    height: float
    start: float
    end: float
    low: float
    high: float

    def x(self, when: float) -> float:
        share = (when - self.start) / (self.end - self.start)
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)


def graph(
    lines: Sequence[Line],
    limits: Sequence[tuple[str, float]],
    marks: Sequence[Mark],
    *,
    width: float,
    height: float,
    start: float,
    end: float,
    unit: str,
    stacked: bool = False,
    steps: bool = False,
    most: float | None = None,
) -> str:
    """Lines over time. `limits` are dashed lines across, if the values reach near them."""  # fmt: skip
    layers = _stacked(lines) if stacked else [(line, line.series.points, []) for line in lines]
    values = [value for _, points, _ in layers for _, value in points if math.isfinite(value)]
    low = min(0.0, *values) if values else 0.0
    high = max(values, default=1.0)
    reached = [limit for _, limit in limits if limit <= high * 1.6]
    high = max([high, *reached])
    high = most if most is not None and high <= most else high + 0.06 * (high - low) or 1.0
    frame = Frame(width, height, start, end, low, high)
    parts = [_axes(frame, unit), *_marks(frame, marks)]
    gap = _gap(lines)
    for line, points, base in layers:
        for run in _runs(points, gap):
            shape = _stairs(run) if steps else run
            upper = " ".join(f"{frame.x(t):.1f},{frame.y(v):.1f}" for t, v in shape)
            if not line.dashed:
                below = dict(base)
                floor = [(t, below.get(t, 0.0)) for t, _ in run]
                floor = _stairs(floor) if steps else floor
                lower = " ".join(f"{frame.x(t):.1f},{frame.y(v):.1f}" for t, v in reversed(floor))
                opacity = 0.45 if stacked else 0.08
                parts.append(
                    f'<polygon points="{upper} {lower}" fill="{line.colour}" fill-opacity="{opacity}"/>'
                )
            dash = ' stroke-dasharray="7 5"' if line.dashed else ""
            parts.append(
                f'<polyline points="{upper}" fill="none" stroke="{line.colour}" stroke-width="1.6" '
                f'stroke-linejoin="round"{dash}/>'
            )
            if len(run) == 1:
                when, value = run[0]
                parts.append(
                    f'<circle cx="{frame.x(when):.1f}" cy="{frame.y(value):.1f}" r="2" fill="{line.colour}"/>'
                )
    for colour, limit in limits:
        if low <= limit <= high:
            y = frame.y(limit)
            parts.append(
                f'<line x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="{colour}" stroke-width="1.3" stroke-dasharray="6 5" opacity="0.8"/>'
            )
    return _svg(width, height, parts)


def heat(
    buckets: Sequence[Series],
    marks: Sequence[Mark],
    *,
    width: float,
    height: float,
    start: float,
    end: float,
    unit: str,
) -> str:
    """Buckets of a histogram over time: `buckets` are cumulative, as Prometheus has them."""  # fmt: skip
    bounds = sorted((float(one.labels["le"]), one) for one in buckets)
    counts: list[tuple[float, dict[float, float]]] = []
    below: dict[float, float] = {}
    for bound, series in bounds:
        own = dict(series.points)
        counts.append(
            (bound, {when: max(0.0, n - below.get(when, 0.0)) for when, n in own.items()})
        )
        below = own
    used = [index for index, (_, own) in enumerate(counts) if any(n > 0.5 for n in own.values())]
    if not used:
        return _svg(width, height, [])
    shown = counts[max(0, used[0] - 1) : used[-1] + 1]
    frame = Frame(width, height, start, end, 0, len(shown))
    most = max(n for _, own in shown for n in own.values())
    step = _gap([Line(one, "") for one in buckets]) / 1.5
    parts = [_time_axis(frame)]
    for row, (bound, own) in enumerate(shown):
        top, bottom = frame.y(row + 1), frame.y(row)
        for when, n in own.items():
            if n <= 0 or when - step < start:
                continue
            x1, x2 = frame.x(when - step), frame.x(when)
            parts.append(
                f'<rect x="{x1:.1f}" y="{top + 0.5:.1f}" width="{max(x2 - x1 - 0.6, 0.8):.1f}" '
                f'height="{bottom - top - 1:.1f}" fill="{_blue((n / most) ** 0.5)}"/>'
            )
        label = "more" if math.isinf(bound) else f"≤ {text_of(bound, unit)}"
        parts.append(_text(_LEFT - 7, (top + bottom) / 2 + 4, label, "end"))
    parts += _marks(frame, marks)
    return _svg(width, height, parts)


def spark(points: Sequence[Point], colour: str, *, width: float, height: float) -> str:
    """A line without axes, for the lower half of a number."""
    found = [(when, value) for when, value in points if math.isfinite(value)]
    if len(found) < 2:
        return ""
    low, high = min(v for _, v in found), max(v for _, v in found)
    room = high - low or 1.0
    first, last = found[0][0], found[-1][0]
    drawn = " ".join(
        f"{(t - first) / (last - first) * width:.1f},{height - 3 - (v - low) / room * (height - 8):.1f}"
        for t, v in found
    )
    return _svg(
        width,
        height,
        [
            f'<polygon points="0,{height} {drawn} {width},{height}" fill="{colour}" fill-opacity="0.13"/>',
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.4"/>',
        ],
    )


def shade(colour: str, index: int) -> str:
    """Lighter and darker forms of one colour, for series that have it in common."""
    factor = (0.0, 0.35, -0.25, 0.55, -0.4)[index % 5]
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    mixed = [
        round(part + (255 - part) * factor) if factor > 0 else round(part * (1 + factor))
        for part in parts
    ]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _axes(frame: Frame, unit: str) -> str:
    parts = []
    for value in ticks(frame.low, frame.high, max(2, round(frame.height / 42)), unit):
        y = frame.y(value)
        parts.append(
            f'<line x1="{_LEFT}" x2="{frame.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
        )
        parts.append(_text(_LEFT - 7, y + 4, text_of(value, unit), "end"))
    return "".join(parts) + _time_axis(frame)


def _time_axis(frame: Frame) -> str:
    room = (frame.width - _LEFT - _RIGHT) / 75
    steps = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step = next((one for one in steps if (frame.end - frame.start) / one <= room), steps[-1])
    parts = []
    when = math.ceil(frame.start / step) * step
    while when <= frame.end:
        x = frame.x(when)
        form = "%H:%M" if step >= 60 else "%H:%M:%S"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{frame.height - _BOTTOM}" stroke="{GRID}"/>'
        )
        parts.append(_text(x, frame.height - 8, time.strftime(form, time.gmtime(when)), "middle"))
        when += step
    return "".join(parts)


def _marks(frame: Frame, marks: Iterable[Mark]) -> list[str]:
    """A dashed line where a mark begins, and a bar below the graph as long as it lasts."""
    parts = []
    bottom = frame.height - _BOTTOM
    lasting: dict[str, list[tuple[float, float]]] = {}
    for mark in marks:
        colour = COLOURS[mark.colour]
        x1, x2 = frame.x(max(mark.start, frame.start)), frame.x(min(mark.end, frame.end))
        if x2 > x1:
            lasting.setdefault(colour, []).append((x1, x2))
        parts.append(
            f'<line x1="{x1:.1f}" x2="{x1:.1f}" y1="{_TOP}" y2="{bottom}" stroke="{colour}" '
            f'stroke-width="1.1" stroke-dasharray="3 3"/><path d="M{x1 - 4:.1f} {bottom + 6} l8 0 l-4 -6 z" '
            f'fill="{colour}"/>'
        )
    for colour, regions in lasting.items():
        for x1, x2 in _united(regions):
            parts.append(
                f'<rect x="{x1:.1f}" y="{_TOP}" width="{x2 - x1:.1f}" height="{bottom - _TOP}" '
                f'fill="{colour}" opacity="0.05"/><rect x="{x1:.1f}" y="{bottom}" '
                f'width="{x2 - x1:.1f}" height="3" fill="{colour}" opacity="0.75"/>'
            )
    return parts


def _united(regions: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Regions that overlap as one: several alerts at a time do not hide the graph."""
    found: list[tuple[float, float]] = []
    for first, last in sorted(regions):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _stacked(lines: Sequence[Line]) -> list[tuple[Line, list[Point], list[Point]]]:
    """(line, its top, its bottom): each stands on those before it."""
    sums: dict[float, float] = {}
    layers = []
    for line in lines:
        points = [(t, v) for t, v in line.series.points if math.isfinite(v)]
        base = [(t, sums.get(t, 0.0)) for t, _ in points]
        top = [(t, sums.get(t, 0.0) + v) for t, v in points]
        sums |= dict(top)
        layers.append((line, top, base))
    return layers


def _gap(lines: Sequence[Line]) -> float:
    """More time than this between two points is a gap in the line."""
    steps = [
        second[0] - first[0]
        for line in lines
        for first, second in zip(line.series.points, line.series.points[1:], strict=False)
    ]
    return 1.5 * min(steps, default=15.0)


def _runs(points: Sequence[Point], gap: float) -> list[list[Point]]:
    runs: list[list[Point]] = []
    for when, value in points:
        if not math.isfinite(value):
            continue
        if runs and when - runs[-1][-1][0] <= gap:
            runs[-1].append((when, value))
        else:
            runs.append([(when, value)])
    return runs


def _stairs(points: Sequence[Point]) -> list[Point]:
    found: list[Point] = []
    for when, value in points:
        if found:
            found.append((when, found[-1][1]))
        found.append((when, value))
    return found


def _blue(share: float) -> str:
    light, dark = (222, 235, 247), (8, 69, 148)
    mixed = [round(a + (b - a) * share) for a, b in zip(light, dark, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{AXIS}">'
        f"{escape(text)}</text>"
    )


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    inner = "".join(parts)
    return f'<svg width="{width:.0f}" height="{height:.0f}" xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
