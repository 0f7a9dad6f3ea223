"""The kinds of panels, with what all panels of a kind have in common.

A number that differs between models stands as "@@name@@": servestack.manifests.dashboards writes it
without the quotes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS = 24
"""Width of Grafana's grid."""

GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"
_ERRORS = {"4": ORANGE, "5": RED}
_CODES = {"": {}, "errors": _ERRORS, "all": {"2": GREEN, "3": BLUE, **_ERRORS}}
"""Colours of status codes by their first digit."""

Mark = float | str
"""A number, or "@@name@@"."""


@dataclass(frozen=True)
class Query:
    """PromQL, and the legend of its series."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Placed:
    """A panel and its size on the grid."""

    panel: Any
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A row of the dashboard, with its panels from left to right.

    `needs` is what a model must have for the row to be shown, "" for every model: see
    servestack.manifests.dashboards.
    """

    title: str
    panels: Sequence[Placed]
    needs: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: its query, whose value it shows. `thresholds` colour its cells."""

    title: str
    query: str
    unit: str = "short"
    thresholds: Sequence[tuple[str, Mark]] = ()
    decimals: int | None = None
    minimum: float | None = None


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int,
    thresholds: Sequence[tuple[str, Mark]] = (),
    empty: str = "no data",
    decimals: int | None = None,
    named: bool = False,
) -> Placed:
    """The newest value, over a line of how it came there. `thresholds`: from which value, which colour.

    With `named` each series shows its legend beside its value.
    """  # fmt: skip
    panel = (
        stat.Panel()
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(
            common_models.BigValueGraphMode.NONE if named else common_models.BigValueGraphMode.AREA
        )
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .text_mode(
            common_models.BigValueTextMode.VALUE_AND_NAME
            if named
            else common_models.BigValueTextMode.VALUE
        )
    )
    panel = _limits(panel, thresholds or [(BLUE, 0)])
    if decimals is not None:
        panel = panel.decimals(decimals)
    return Placed(_common(panel, title, description, unit, queries, empty), width, 4)


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    lines: Sequence[tuple[str, Mark]] = (),
    stacked: bool = False,
    empty: str = "no data",
    dashed: Sequence[str] = (),
    maximum: float | None = None,
    steps: bool = False,
    by_code: str = "",
    logarithmic: bool = False,
) -> Placed:
    """Values over time. `lines` are drawn as thresholds, the series of `dashed` as dashed lines.

    `by_code` colours series by the status code in their legend: "all" of them, or only "errors".
    """  # fmt: skip
    panel = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(35 if stacked else 8)
        .show_points(common_models.VisibilityMode.NEVER)
        .min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if steps:
        panel = panel.line_interpolation(common_models.LineInterpolation.STEP_AFTER)
    if maximum is not None:
        panel = panel.max(maximum)
    if logarithmic:
        # A logarithmic axis has no zero.
        panel = panel.scale_distribution(
            common.ScaleDistributionConfig().type(common_models.ScaleDistribution.LOG).log(10)
        )
    if lines:
        panel = _limits(panel, [("transparent", 0), *lines]).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED)
        )
    for name in dashed:
        panel = panel.override_by_name(
            name,
            [
                _setting("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
                _setting("color", {"mode": "fixed", "fixedColor": RED}),
                _setting("custom.fillOpacity", 0),
            ],
        )
    for first, colour in _CODES[by_code].items():
        panel = panel.override_by_regexp(
            rf"/(^|\s){first}\d\d/", [_setting("color", {"mode": "shades", "fixedColor": colour})]
        )
    return Placed(_common(panel, title, description, unit, queries, empty), width, height)


def heat(
    title: str,
    description: str,
    unit: str,
    query: str,
    *,
    width: int = 12,
    height: int = 8,
    empty: str = "no data",
) -> Placed:
    """The buckets of a histogram over time; darker where more values are."""  # fmt: skip
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .steps(64)
            .fill("dark-blue")
            .exponent(0.5)
            .reverse(False)
        )
        .cell_gap(1)
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .y_axis(
            heatmap.YAxisConfig()
            .unit(unit)
            .axis_placement(common_models.AxisPlacement.LEFT)
            .reverse(False)
        )
        .rows_frame(heatmap.RowsHeatmapOptions().layout(common_models.HeatmapCellLayout.AUTO))
        .show_value(common_models.VisibilityMode.NEVER)
        .show_legend()
        .exemplars_color("rgba(255,0,255,0.7)")
    )
    target = _target(0, Query(query, "{{le}}")).format(PromQueryFormat.HEATMAP)
    return Placed(
        _common(panel, title, description, "short", (), empty).with_target(target), width, height
    )


def bars(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    width: int = 8,
    height: int = 7,
    thresholds: Sequence[tuple[str, Mark]] = (),
    empty: str = "no data",
) -> Placed:
    """The newest values as bars, the largest first if the query sorts them."""  # fmt: skip
    panel = (
        bargauge.Panel()
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .show_unfilled(True)
        .value_mode(common_models.BarGaugeValueMode.TEXT)
        .min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    )
    panel = _limits(panel, thresholds or [(BLUE, 0)])
    panel = _common(panel, title, description, unit, (), empty)
    return Placed(panel.with_target(_target(0, query).instant()), width, height)


def rows(
    title: str,
    description: str,
    key: tuple[str, str],
    columns: Sequence[Column],
    *,
    width: int = COLUMNS,
    height: int = 8,
    empty: str = "no data",
    link: tuple[str, str] | None = None,
    labels: Sequence[tuple[str, str]] = (),
    hidden: Sequence[str] = (),
    order: str = "",
) -> Placed:
    """A table with a row for each value of a label, and a column for each query.

    `key` is (label, title); `labels` are further labels of the queries that are shown; `hidden` are
    labels that links use; `link` is (title, address) of the key's cells; `order` the title of the
    column that sorts the rows, the largest value first.
    """  # fmt: skip
    label, name = key
    queries = [Query(column.query) for column in columns]
    panel = _table().with_transformation(
        models.DataTransformerConfig("joinByField", options={"byField": label, "mode": "outer"})
    )
    letters = [chr(ord("A") + index) for index in range(len(columns))]
    renamed = {label: name} | dict(labels)
    renamed |= {
        f"Value #{letter}": column.title for letter, column in zip(letters, columns, strict=True)
    }
    panel = panel.with_transformation(
        models.DataTransformerConfig(
            "organize",
            options={
                # Each query brings its time.
                "excludeByName": dict.fromkeys(
                    ["Time", *(f"Time {n}" for n in range(1, len(columns) + 1))], True
                ),
                "indexByName": {old: index for index, old in enumerate(renamed)},
                "renameByName": renamed,
            },
        )
    )  # fmt: skip
    if link:
        panel = panel.override_by_name(
            name, [_setting("links", [{"title": link[0], "url": link[1]}])]
        )
    for secret in hidden:
        panel = panel.override_by_name(secret, [_setting("custom.hidden", True)])
    for column in columns:
        panel = panel.override_by_name(column.title, _column(column))
    if order:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(order).desc(True)])
    panel = _common(panel, title, description, "short", (), empty)
    for index, item in enumerate(queries):
        panel = panel.with_target(_target(index, item).instant().format(PromQueryFormat.TABLE))
    return Placed(panel, width, height)


def listing(
    title: str,
    description: str,
    query: str,
    labels: Sequence[tuple[str, str]],
    *,
    width: int = 12,
    height: int = 8,
    empty: str = "none",
) -> Placed:
    """A table of the series of a query: a column for each of the labels (label, title)."""  # fmt: skip
    panel = _table().with_transformation(
        models.DataTransformerConfig(
            "organize",
            options={
                "excludeByName": {"Time": True, "Value": True},
                "indexByName": {label: index for index, (label, _) in enumerate(labels)},
                "renameByName": dict(labels),
            },
        )
    )
    target = _target(0, Query(query)).instant().format(PromQueryFormat.TABLE)
    panel = _common(panel, title, description, "short", (), empty).with_target(target)
    return Placed(panel, width, height)


def section_data(section: Section) -> dict[str, Any]:
    """A section as plain data; its panels' y begins below the row."""
    placed: list[dict[str, Any]] = []
    x, y, tallest = 0, 0, 0
    for item in section.panels:
        if x + item.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        plain = as_data(item.panel)
        if plain["type"] == "heatmap":
            # Since Grafana 10.3; the builder has the older form.
            plain["options"]["tooltip"] = {"mode": "single", "yHistogram": False}
        plain["gridPos"] = {"x": x, "y": y, "w": item.width, "h": item.height}
        placed.append(plain)
        x, tallest = x + item.width, max(tallest, item.height)
    return {"needs": section.needs, "title": section.title, "panels": placed}


def as_data(builder: Any) -> dict[str, Any]:
    """What a builder makes, as JSON data without fields that say nothing."""
    plain: dict[str, Any] = _bare(json.loads(JSONEncoder(sort_keys=True).encode(builder.build())))
    return plain


def _bare(value: Any) -> Any:
    """Without nulls, and without the values that Grafana has by itself."""
    if isinstance(value, dict):
        return {
            key: _bare(inner)
            for key, inner in value.items()
            if (inner is not None or key == "value") and (key, inner) not in _ITS_OWN
        }
    if isinstance(value, list):
        return [_bare(inner) for inner in value]
    return value


_ITS_OWN: Any = [
    ("repeatDirection", "h"), ("transformations", []), ("transparent", False),
]  # fmt: skip


def _common(
    panel: Any, title: str, description: str, unit: str, queries: Sequence[Query], empty: str
) -> Any:
    panel = (
        panel.title(title)
        .description(description)
        .unit(unit)
        .no_value(empty)
        .datasource(DATASOURCE)
        .interval("@interval@")
    )
    for index, item in enumerate(queries):
        panel = panel.with_target(_target(index, item))
    return panel


def _target(index: int, item: Query) -> Any:
    built = prometheus.Dataquery().expr(item.expression).ref_id(chr(ord("A") + index))
    return built.legend_format(item.legend) if item.legend else built


def _limits(panel: Any, steps: Sequence[tuple[str, Mark]]) -> Any:
    """Thresholds: (colour, from which value on); the first colour holds for all that is below."""
    first, *rest = steps
    thresholds = [models.Threshold(value=None, color=first[0])]
    thresholds += [models.Threshold(value=value, color=colour) for colour, value in rest]  # type: ignore[arg-type]
    return panel.thresholds(
        dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds)
    ).color_scheme(
        dashboard.FieldColor().mode(
            models.FieldColorModeId.PALETTE_CLASSIC
            if isinstance(panel, timeseries.Panel)
            else models.FieldColorModeId.THRESHOLDS
        )
    )


def _table() -> Any:
    return table.Panel().show_header(True).cell_height(common_models.TableCellHeight.SM)


def _column(column: Column) -> list[models.DynamicConfigValue]:
    settings = [_setting("unit", column.unit)]
    if column.decimals is not None:
        settings.append(_setting("decimals", column.decimals))
    if column.thresholds:
        first, *rest = column.thresholds
        steps = [{"color": first[0], "value": None}]
        steps += [{"color": colour, "value": value} for colour, value in rest]  # type: ignore[dict-item]
        settings += [
            _setting("thresholds", {"mode": "absolute", "steps": steps}),
            _setting("custom.cellOptions", {"type": "color-text"}),
        ]
    return settings


def _setting(name: str, value: Any) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(name, value)
