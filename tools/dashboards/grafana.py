"""A dashboard read as Grafana reads it: variables, intervals, queries, transformations, marks.

The rules are those of Grafana 10 to 12: pkg/promlib (intervals), data/src/transformations, and
grafana-prometheus/src/annotations.ts. Grafana itself is in no package registry.
"""

from __future__ import annotations

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Labels = dict[str, str]
Json = dict[str, Any]

MAX_DATA_POINTS = 400
"""Of a panel of half the width on a common screen."""
_MARK_POINTS = 1500
"""Grafana asks for marks as for a graph as wide as the window."""
_ROUNDED = (
    (1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60), (210, 120),
    (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600), (9000, 7200),
    (16200, 10800), (32400, 21600), (86400, 43200),
)  # fmt: skip
"""(below, step), in seconds: pkg/tsdb/intervalv2, roundInterval."""


class QueryError(Exception):
    """Prometheus refused a query."""


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus, by its HTTP API."""

    address: str

    def range(self, expression: str, start: float, end: float, step: float) -> list[Json]:
        """Series, each {"metric": labels, "values": [(seconds, text)]}."""
        found: list[Json] = self._ask(
            "query_range", query=expression, start=start, end=end, step=step
        )["result"]
        return found

    def instant(self, expression: str, at: float) -> list[Json]:
        """Series, each {"metric": labels, "value": (seconds, text)}."""
        data = self._ask("query", query=expression, time=at)
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        found: list[Json] = data["result"]
        return found

    def label_values(self, label: str, series: str, start: float, end: float) -> list[str]:
        """The values of a label that series have, sorted."""
        options = {"match[]": series, "start": start, "end": end}
        found: list[str] = self._ask(f"label/{label}/values", **options)
        return sorted(found)

    def _ask(self, path: str, **parameters: Any) -> Any:
        text = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"{self.address}/api/v1/{path}?{text}", timeout=60
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters.get('query')}: {error.read().decode()}") from None


@dataclass(frozen=True)
class Series:
    """Values over time, or one value at the end of the range."""

    name: str
    labels: Labels
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value that is a number; NaN without one."""
        return next((v for _, v in reversed(self.points) if not math.isnan(v)), math.nan)


@dataclass(frozen=True)
class Frame:
    """The answer to one query of a panel."""

    letter: str
    series: list[Series]
    is_table: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows; a cell without a value is None."""

    columns: list[str]
    rows: list[list[float | str | None]]


@dataclass(frozen=True)
class Mark:
    """A mark in all graphs; `end` is after `start` for what lasted."""

    name: str
    colour: str
    title: str
    text: str
    start: float
    end: float


@dataclass(frozen=True)
class View:
    """A dashboard as somebody looks at it: a range in seconds, and the variables that they chose.

    A variable that is not chosen is at "All".
    """

    board: Json
    prometheus: Prometheus
    start: float
    end: float
    chosen: Mapping[str, list[str]] = field(default_factory=dict)

    def panels(self) -> list[Json]:
        """All panels but rows."""
        return [panel for panel in self.board["panels"] if panel["type"] != "row"]

    def frames(self, panel: Json) -> list[Frame]:
        """The answers to a panel's queries. Raises QueryError."""
        step = interval(self.end - self.start, MAX_DATA_POINTS, panel["interval"])
        return [self._frame(target, step, panel["interval"]) for target in panel["targets"]]

    def choices(self, name: str) -> list[str]:
        """The values of a variable that Grafana offers."""
        variables = {one["name"]: one for one in self.board["templating"]["list"]}
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variables[name]["query"])
        if match is None:
            raise QueryError(f"no label_values: {variables[name]['query']}")
        series = self._filled(match[1], 15, "15s")
        return self.prometheus.label_values(match[2], series, self.start, self.end)

    def marks(self) -> list[Mark]:
        """What the annotations mark in the range, in the order of time."""
        found = []
        for annotation in self.board["annotations"]["list"]:
            step = interval(self.end - self.start, _MARK_POINTS, "15s")
            expression = self._filled(annotation["target"]["expr"], step, "15s")
            start, end = _aligned(self.start, self.end, step)
            for series in self.prometheus.range(expression, start, end, step):
                points = [float(time) for time, value in series["values"] if float(value) > 0]
                found += [
                    Mark(
                        annotation["name"], annotation["iconColor"],
                        legend(annotation["titleFormat"], series["metric"]),
                        legend(annotation["textFormat"], series["metric"]), first, last,
                    )
                    for first, last in _regions(points, step)
                ]  # fmt: skip
        return sorted(found, key=lambda mark: (mark.start, mark.title))

    def table(self, panel: Json) -> Table:
        """What a table shows: its frames joined, renamed, sorted as it says."""
        return _table(panel, self.frames(panel))

    def _frame(self, target: Json, step: float, least: str) -> Frame:
        expression = self._filled(target["expr"], step, least)
        named = target.get("legendFormat", "")
        is_table = target.get("format") == "table"
        if target.get("instant"):
            series = [
                Series(legend(named, one["metric"]), one["metric"], [_point(one["value"])])
                for one in self.prometheus.instant(expression, self.end)
            ]
        else:
            start, end = _aligned(self.start, self.end, step)
            series = [
                Series(legend(named, one["metric"]), one["metric"], [*map(_point, one["values"])])
                for one in self.prometheus.range(expression, start, end, step)
            ]
        return Frame(target["refId"], series, is_table)

    def _filled(self, expression: str, step: float, least: str) -> str:
        """The query with Grafana's variables, and the board's, filled in."""
        scrape = seconds(least)
        values = {
            "__rate_interval": f"{max(step + scrape, 4 * scrape):g}s",
            "__interval": f"{step:g}s",
            "__range": f"{round(self.end - self.start)}s",
        }
        for variable in self.board["templating"]["list"]:
            chosen = self.chosen.get(variable["name"])
            values[variable["name"]] = _either(chosen) if chosen else variable.get("allValue", "")
        for name in sorted(values, key=len, reverse=True):
            expression = expression.replace(f"${{{name}}}", values[name])
            expression = expression.replace(f"${name}", values[name])
        return expression


def interval(range_seconds: float, points: int, least: str) -> float:
    """The step of a query: the range over the points of the panel, rounded, no less than `least`."""
    wanted = range_seconds / points
    rounded = next((step for below, step in _ROUNDED if wanted < below), 86400)
    return float(max(rounded, seconds(least)))


def seconds(text: str) -> float:
    """A duration of Grafana, such as 15s or 5m, in seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return float(text[:-1]) * units[text[-1]]


def legend(form: str, labels: Mapping[str, str]) -> str:
    """A legend with its labels filled in; without one, the labels as Prometheus writes them."""
    if form:
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: labels.get(m[1], ""), form).strip()
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}}" if inner else labels.get("__name__", "Value")


def _either(values: list[str]) -> str:
    """A regular expression, as Grafana writes several values for Prometheus."""
    escaped = [re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _aligned(start: float, end: float, step: float) -> tuple[float, float]:
    return start // step * step, end // step * step


def _point(value: Any) -> tuple[float, float]:
    return float(value[0]), float(value[1])


def _regions(points: list[float], step: float) -> list[tuple[float, float]]:
    """First and last of points that are no more than a step apart: one mark for each."""
    regions: list[tuple[float, float]] = []
    for point in points:
        if regions and regions[-1][1] + step >= point:
            regions[-1] = (regions[-1][0], point)
        else:
            regions.append((point, point))
    return regions


def _table(panel: Json, frames: list[Frame]) -> Table:
    steps = {one["id"]: one["options"] for one in panel.get("transformations", [])}
    organize = steps["organize"]
    if "joinByField" in steps:
        columns, rows = _joined(frames, steps["joinByField"]["byField"])
    else:
        (frame,) = frames
        columns = sorted({label for series in frame.series for label in series.labels})
        rows = [[series.labels.get(label) for label in columns] for series in frame.series]
    excluded, order = organize["excludeByName"], organize["indexByName"]
    kept = sorted(
        (index for index, name in enumerate(columns) if not excluded.get(name)),
        key=lambda index: order.get(columns[index], len(order)),
    )
    names = [organize["renameByName"].get(columns[index], columns[index]) for index in kept]
    shown = [[row[index] for index in kept] for row in rows]
    for sorting in panel["options"].get("sortBy", []):
        at = names.index(sorting["displayName"])
        shown.sort(key=lambda row: _order(row[at]), reverse=sorting["desc"])
    return Table(names, shown)


def _joined(frames: list[Frame], key: str) -> tuple[list[str], list[list[float | str | None]]]:
    """An outer join: a row for each value of the label, the labels and values of each frame."""
    columns = [key]
    found: dict[str, dict[str, float | str | None]] = {}
    for frame in frames:
        for series in frame.series:
            row = found.setdefault(series.labels[key], {key: series.labels[key]})
            own = {label: text for label, text in series.labels.items() if label != key}
            row |= own | {f"Value #{frame.letter}": series.last}
            columns += [name for name in (*own, f"Value #{frame.letter}") if name not in columns]
    return columns, [[row.get(name) for name in columns] for row in found.values()]


def _order(value: float | str | None) -> float:
    return -math.inf if not isinstance(value, float) or math.isnan(value) else value
