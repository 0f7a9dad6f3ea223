"""Every panel, variable and mark of both dashboards has data on a running system."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from tools.dashboards.grafana import Frame

from tests.dashboards.conftest import Watched
from tests.support.projects import REPOSITORY

BOARDS = ("model-service", "fleet")


def template(board: str) -> Any:
    return json.loads((REPOSITORY / f"monitoring/dashboards/{board}.json").read_text())


PANELS = [
    (board, section["title"], panel["title"])
    for board in BOARDS
    for section in template(board)["sections"]
    for panel in section["panels"]
]


def panel_of(watched: Watched, board: str, section: str, title: str) -> dict[str, Any]:
    """The rendered panel of a section."""
    current = ""
    for panel in watched.view(board).board["panels"]:
        if panel["type"] == "row":
            current = panel["title"]
        elif (current, panel["title"]) == (section, title):
            return dict(panel)
    raise AssertionError(f"{board} has no panel {section}: {title}")


def without_data(frames: list[Frame]) -> list[str]:
    """The queries that give no finite number."""
    return [
        frame.letter
        for frame in frames
        if not any(math.isfinite(value) for one in frame.series for _, value in one.points)
    ]


@pytest.mark.parametrize(
    ("board", "section", "title"), PANELS, ids=["|".join(panel) for panel in PANELS]
)
def test_every_query_of_a_panel_has_data(
    watched: Watched, board: str, section: str, title: str
) -> None:
    panel = panel_of(watched, board, section, title)
    assert panel["description"] and panel["fieldConfig"]["defaults"]["noValue"]
    frames = watched.view(board).frames(panel)
    assert frames and without_data(frames) == []
    for frame in frames:
        # A legend with a label that the series lack would be cut short.
        assert all(one.name and "{{" not in one.name for one in frame.series), frame
        assert not any(math.isinf(value) for one in frame.series for _, value in one.points)


@pytest.mark.parametrize("board", BOARDS)
def test_every_choice_of_a_variable_has_data(watched: Watched, board: str) -> None:
    """A panel that follows a variable has data for each of its values."""
    expected = {
        "pod": ["iris-a", "iris-b"],
        "version": ["3", "4"],
        "model_service": ["churn", "iris"],
    }
    variables = template(board)["dashboard"]["templating"]["list"][1:]
    assert variables
    for variable in variables:
        name = variable["name"]
        values = watched.view(board).choices(name)
        assert values == expected[name]
        busy = next(
            panel for panel in watched.view(board).panels()
            if panel["type"] == "timeseries" and f"${name}" in json.dumps(panel)
        )  # fmt: skip
        for value in values:
            view = watched.view(board, **{name: value})
            assert without_data(view.frames(busy)) == [], (name, value)
        nothing = watched.view(board, **{name: "no-such-one"})
        assert without_data(nothing.frames(busy)) != [], f"{busy['title']} does not follow {name}"


def test_each_version_is_marked_once(watched: Watched) -> None:
    marks = [mark for mark in watched.view("model-service").marks() if mark.name == "New versions"]
    assert [mark.title for mark in marks] == ["version 3", "version 4"]
    assert all(mark.start == mark.end for mark in marks)
    marks = [mark for mark in watched.view("fleet").marks() if mark.name == "New versions"]
    assert sorted(mark.title for mark in marks) == ["churn 1", "iris 3", "iris 4"]


@pytest.mark.parametrize(
    ("board", "name"), [(BOARDS[0], "Firing alerts"), (BOARDS[1], "Firing pages")]
)
def test_alerts_are_marked(watched: Watched, board: str, name: str) -> None:
    marks = [mark for mark in watched.view(board).marks() if mark.name == name]
    # On a busy machine it is slow as well.
    assert any("ModelServiceErrors" in mark.title for mark in marks)


def test_the_fleet_has_a_row_for_each_model_and_links_to_its_dashboard(watched: Watched) -> None:
    view = watched.view("fleet")
    panel = panel_of(watched, "fleet", "Models", "Models")
    table = view.table(panel)
    cells = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    by_model = {str(row["Model"]): row for row in cells}
    assert sorted(by_model) == ["churn", "iris"] and len(cells) == 2
    for model, row in by_model.items():
        assert row["dashboard"] == json.loads(watched.system.board(model))["uid"]
        assert row["Owner"] == "growth-ml"
        assert all(value is not None for value in row.values()), row
    assert by_model["churn"]["Errors"] == 0
    assert float(by_model["iris"]["Alerts"] or 0) >= 1
    assert float(by_model["iris"]["Events lost"] or 0) >= 1
    links = json.dumps(panel["fieldConfig"]["overrides"])
    assert "/d/${__data.fields.dashboard}?" in links
    back = [link["url"] for link in json.loads(watched.system.board("iris"))["links"]]
    assert f"/d/{view.board['uid']}" in back


def test_versions_stand_side_by_side(watched: Watched) -> None:
    """Two versions that answer half of the requests each, of which one fails."""
    view = watched.view("model-service")
    table = view.table(
        panel_of(watched, "model-service", "Versions side by side", "Versions and variants")
    )
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert set(cells) == {"3 stable", "4 canary"}
    shares = [float(row["Share"] or 0) for row in cells.values()]
    assert sum(shares) == pytest.approx(1)
    assert float(cells["3 stable"]["Error ratio"] or 0) > 0
    assert cells["4 canary"]["Error ratio"] == 0


def test_what_was_lost_is_counted(watched: Watched) -> None:
    panel = panel_of(watched, "model-service", "Log health", "Events lost in this range")
    (frame,) = watched.view("model-service").frames(panel)
    assert frame.series[0].last >= 1
