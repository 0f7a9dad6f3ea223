"""One mark for each change of version, whatever the range: on four hours of a model's life."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.dashboards.grafana import Prometheus, View
from tools.install import install

from servestack.manifests.dashboards import dashboard_text
from tests.dashboards.system import PrometheusProcess
from tests.support.services import resolved

SCRAPE_SECONDS = 30
BEFORE = 4 * 3600
"""So long ago the story begins."""
STORY = [
    # (version, from minute, to minute)
    ("1", 0, 60),
    ("1", 63, 120),  # Three minutes without a sample are no change.
    ("2", 90, 150),
    ("1", 150, 240),  # Rolled back.
]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, float]]:
    """A Prometheus that remembers the story, and the time of its beginning."""
    folder = tmp_path_factory.mktemp("marks")
    begin = (time.time() - BEFORE) // 60 * 60
    lines = ["# TYPE servestack_model_info gauge"]
    for version, first, last in STORY:
        for second in range(first * 60, last * 60, SCRAPE_SECONDS):
            labels = 'environment="prod",model_service="iris",model="iris",digest="",pod="a"'
            lines.append(
                f'servestack_model_info{{{labels},version="{version}"}} 1 {begin + second:.0f}'
            )
    # A series' samples stand together.
    lines = [lines[0], *sorted(lines[1:]), "# EOF", ""]
    file = folder / "story.txt"
    file.write_text("\n".join(lines))
    data = folder / "data"
    subprocess.run(
        [install("promtool"), "tsdb", "create-blocks-from", "openmetrics", file, data],
        check=True, capture_output=True,
    )  # fmt: skip
    prometheus = PrometheusProcess(folder)
    with prometheus.running():
        yield prometheus.address, begin


@pytest.mark.parametrize("hours", [5, 24, 6 * 24])
def test_each_change_is_marked_once(lived: tuple[str, float], hours: int, tmp_path: Path) -> None:
    address, begin = lived
    board = json.loads(dashboard_text(resolved(tmp_path)))
    view = View(board, Prometheus(address), time.time() - hours * 3600, time.time())
    marks = [mark for mark in view.marks() if mark.name == "New versions"]
    assert [mark.title for mark in marks] == ["version 1", "version 2", "version 1"]
    step = max(15.0, hours * 3600 / 1500 * 2)
    for mark, minute in zip(marks, (0, 90, 150), strict=True):
        assert mark.start == mark.end
        assert 0 <= mark.start - (begin + minute * 60) <= step + SCRAPE_SECONDS


def test_a_range_that_begins_in_the_middle_marks_no_version_that_was_there(
    lived: tuple[str, float], tmp_path: Path
) -> None:
    address, begin = lived
    board = json.loads(dashboard_text(resolved(tmp_path)))
    view = View(board, Prometheus(address), begin + 1800, begin + 3 * 3600)
    titles = [mark.title for mark in view.marks() if mark.name == "New versions"]
    assert titles == ["version 2", "version 1"]
