"""Alerts of objectives with odd numbers, played on buckets named as the server will name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from servestack.manifests.monitoring import latency_buckets
from servestack.resolve.resolved import ResolvedService
from tests.real.test_promtool import Series, play, requests
from tests.support.services import resolved


def answered_after(service: ResolvedService, seconds: float, share: float) -> Series:
    """1,000 requests a minute, of which `share` take `seconds` and the others no time."""
    name = "servestack_request_duration_seconds_"
    series = requests(1000, 0) | {f'{name}count{{endpoint="/predict"': "0+1000"}
    for end in latency_buckets(service):
        inside = 1000 if seconds <= end else 1000 * (1 - share)
        # Exporters in Python and Go write the shortest text: 0.0097, 5e-05.
        series[f'{name}bucket{{endpoint="/predict", le="{end!r}"'] = f"0+{inside:g}"
    return series


@pytest.mark.parametrize(
    ("milliseconds", "percentile", "windows"),
    [
        pytest.param(9.7, 99, {"1h", "6h", "1d", "3d"}, id="a bucket with binary noise"),
        pytest.param(1234.5678, 95, {"1h", "6h", "1d", "3d"}, id="eight digits"),
        pytest.param(2000, 90, {"6h", "1d", "3d"}, id="whole seconds, wide budget"),
        pytest.param(0.05, 50, {"3d"}, id="an exponent, half of the requests"),
    ],
)
def test_slow_answers_are_told_and_timely_ones_are_not(
    tmp_path: Path, milliseconds: float, percentile: float, windows: set[str]
) -> None:
    objective = {"percentile": percentile, "milliseconds": milliseconds}
    service = resolved(tmp_path / "project", {"monitoring": {"slo": {"latency": objective}}})
    seconds = milliseconds / 1000
    fired = play(tmp_path, service, answered_after(service, 1.01 * seconds, 1), 90)
    assert {window for alert, window in fired if alert == "ModelServiceSlow"} == windows
    fired = play(tmp_path, service, answered_after(service, 0.99 * seconds, 1), 90)
    assert fired == set()
