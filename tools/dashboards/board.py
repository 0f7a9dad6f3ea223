"""What both dashboards have around their panels: variables, links, marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from tools.dashboards.panels import DATASOURCE, Section, as_data, section_data

FIRING = 'alertstate="firing"'
EVERYTHING = ".*"


def whole(
    board: Any,
    links: Sequence[Any],
    annotations: Sequence[dict[str, Any]],
    sections: Sequence[Section],
) -> dict[str, Any]:
    """{"dashboard": all but panels, "sections": [...]}, the form of monitoring/dashboards/*.json."""
    # The variable of the data source comes first: the others ask it.
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    built = (
        board.refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .links(list(links))
    )
    plain = as_data(built)
    del plain["style"]  # Grafana 11 has none: each user chooses.
    variables = [as_data(source), *plain["templating"]["list"]]
    for variable in variables:
        # The builder gives all of them the same id, which Grafana does not read.
        variable.pop("id", None)
    plain["templating"]["list"] = variables
    plain["annotations"] = {"list": list(annotations)}
    return {"dashboard": plain, "sections": [section_data(section) for section in sections]}


def label_variable(name: str, label: str, series: str) -> Any:
    """A choice of a label's values; all at first, and then also series without the label."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(f"label_values({series}, {name})")
        .datasource(DATASOURCE)
        .multi(True)
        .include_all(True)
        .all_value(EVERYTHING)
        .current(VariableOption(text=["All"], value=["$__all"], selected=True))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def annotation(name: str, colour: str, expression: str, title: str, text: str) -> dict[str, Any]:
    """Marks in all graphs where a query has a value above zero.

    Grafana's Prometheus data source reads the formats of title and text beside the query; the SDK's
    types of Grafana 10.1 lack them.
    """
    return {
        "name": name,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "titleFormat": title,
        "textFormat": text,
        "target": {"expr": expression, "refId": "Anno"},
    }
