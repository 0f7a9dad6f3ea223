"""The report about a model and its shadow, as data and as text."""

from __future__ import annotations

from typing import Any

from servestack.kafka.shadow import Column, Comparison
from servestack.kafka.sketch import Sketch
from servestack.words import counted

_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_SHOWN_PAIRS = 5


def report_data(found: Comparison) -> dict[str, Any]:
    """What was found, as plain data. Shares are from 0 to 1, latencies in milliseconds."""
    return {
        "events": {
            "model": found.of_model,
            "shadow": found.of_shadow,
            "repeated": found.repeated,
            "unreadable": found.unreadable,
        },
        "requests": {
            "compared": found.requests,
            "onlyModel": found.only_model,
            "notSampled": found.not_sampled,
            "onlyShadow": found.only_shadow,
            "givenUp": found.given_up,
            "otherNumberOfRows": found.other_rows,
            "withoutOutputs": found.without_outputs,
        },
        "rows": {"compared": found.rows, "agreement": _share(found.agreeing_rows, found.rows)},
        "tolerance": found.tolerance,
        "versions": found.versions,
        "columns": {name: _column(column) for name, column in sorted(found.columns.items())},
        "cells": {"onlyModel": found.only_model_cells, "onlyShadow": found.only_shadow_cells},
        "latencyMs": {side: _quantiles(sketch) for side, sketch in found.latency.items()},
    }


def _column(column: Column) -> dict[str, Any]:
    said: dict[str, Any] = {
        "cells": column.cells,
        "agreement": _share(column.equal, column.cells),
        "aboveTolerance": _share(column.above, column.cells),
    }
    if column.numbers:
        said["difference"] = {
            "mean": column.signed / column.numbers,
            **_absolute(column.difference),
        }
    if column.pairs:
        most = sorted(column.pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHOWN_PAIRS]
        said["mostOften"] = [
            {"model": ours, "shadow": theirs, "count": count} for (ours, theirs), count in most
        ]
    return said


def _absolute(sketch: Sketch) -> dict[str, float]:
    return {"absoluteMean": sketch.mean, **_quantiles(sketch), "max": sketch.largest}


def _quantiles(sketch: Sketch) -> dict[str, float]:
    return {name: sketch.quantile(share) for name, share in _QUANTILES}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def report_text(data: dict[str, Any], model: str) -> str:
    """The report for people. `data` is that of `report_data`."""
    requests, rows = data["requests"], data["rows"]
    versions = " and ".join(
        f"{side} {', '.join(sorted(found)) or '?'}" for side, found in data["versions"].items()
    )
    lines = [
        f"{model}: {counted(requests['compared'], 'request')} answered by both ({versions})",
        f"  rows compared   {rows['compared']}",
        f"  rows in agreement   {_percent(rows['agreement'])}",
        f"  only the model answered   {requests['onlyModel']}"
        f" (and {requests['notSampled']} that are not in the shadow's share)",
        f"  only the shadow has an event   {requests['onlyShadow']}",
    ]
    for key, words in (
        ("otherNumberOfRows", "answers with another number of rows"),
        ("withoutOutputs", "events without outputs"),
        ("givenUp", "events whose other side may have come too late to be found"),
    ):
        if requests[key]:
            lines.append(f"  {words}   {requests[key]}")
    latency = data["latencyMs"]
    lines.append("latency in ms   p50 / p95 / p99")
    for side, name in (("model", "model"), ("shadow", "shadow")):
        found = latency[side]
        lines.append(f"  {name}   {found['p50']:.3g} / {found['p95']:.3g} / {found['p99']:.3g}")
    for name, column in data["columns"].items():
        lines.append(f"{name}: {_percent(column['agreement'])} equal in {column['cells']} cells")
        if difference := column.get("difference"):
            lines.append(
                f"  shadow minus model   mean {difference['mean']:.4g}; absolute p50 / p95 / p99 / max "
                f"{difference['p50']:.4g} / {difference['p95']:.4g} / {difference['p99']:.4g} / "
                f"{difference['max']:.4g}"
            )
            above = _percent(column["aboveTolerance"])
            lines.append(f"  further apart than {data['tolerance']:g}   {above}")
        for pair in column.get("mostOften", ()):
            lines.append(f"  {pair['model']} → {pair['shadow']}   {pair['count']}")
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.4g}%"
