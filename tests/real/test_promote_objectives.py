"""`servestack promote --prometheus` asks a real Prometheus, which holds hours of made-up requests."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.in_process import servestack
from tests.support.ports import free_ports
from tests.support.repository import Repository, set_version
from tests.support.services import SPEC, merged, write
from tests.support.tools import installed

SLO = {"availability": 99, "latency": {"percentile": 95, "milliseconds": 50}}
HOURS = 6


def samples(
    version: str, *, errors: float, slow: float, environment: str = "staging"
) -> dict[str, list[str]]:
    """Counters of 60 requests a minute from now minus HOURS, in the OpenMetrics format."""
    labels = (
        f'environment="{environment}",model_service="iris",version="{version}",variant="stable"'
    )
    rates = {
        ("requests_total", 'http_response_code="200"'): 60 * (1 - errors),
        ("requests_total", 'http_response_code="503"'): 60 * errors,
        ("request_duration_seconds_count", ""): 60,
        ("request_duration_seconds_bucket", 'le="0.025"'): 60 * (1 - slow) / 2,
        ("request_duration_seconds_bucket", 'le="0.05"'): 60 * (1 - slow),
        ("request_duration_seconds_bucket", 'le="0.1"'): 60,
        ("request_duration_seconds_bucket", 'le="+Inf"'): 60,
    }
    now = int(time.time())
    found: dict[str, list[str]] = {}
    for (name, more), rate in rates.items():
        series = f"servestack_{name}{{{labels}{',' if more else ''}{more}}}"
        found.setdefault(name, []).extend(
            f"{series} {rate * minute:.3f} {now - (HOURS * 60 - minute) * 60}"
            for minute in range(HOURS * 60 + 1)
        )
    return found


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Version 2 kept the objectives, 3 missed both, 4 had no requests; so had prod."""
    folder = tmp_path_factory.mktemp("prometheus")
    by_name: dict[str, list[str]] = {}
    for each in (
        samples("2", errors=0.005, slow=0.02), samples("3", errors=0.02, slow=0.2),
        samples("2", errors=1, slow=1, environment="prod"),
    ):  # fmt: skip
        for name, lines in each.items():
            by_name.setdefault(name, []).extend(lines)
    text = []
    for name, lines in by_name.items():
        kind = "counter" if name == "requests_total" else "unknown"
        text += [f"# TYPE servestack_{name.removesuffix('_total')} {kind}", *lines]
    (folder / "metrics").write_text("\n".join([*text, "# EOF", ""]))
    subprocess.run(
        [installed("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "metrics", folder / "data"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "prometheus.yml").write_text("{}")
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", str(installed("prometheus")),
             f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(url):
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).status_code == 200
    except requests.RequestException:
        return False


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """The versions in staging, each for two hours."""
    found = Repository.of_project(tmp_path / "project")
    write(
        found.root / "models/iris.yaml",
        merged(SPEC, {"owner": "growth", "monitoring": {"slo": SLO}}),
    )
    found.clock = datetime.now(UTC) - timedelta(hours=2)
    return found


def promoted(repository: Repository, prometheus: str, version: str, output: str) -> str:
    set_version(repository.root, "staging", version)
    repository.clock = datetime.now(UTC) - timedelta(hours=2)
    repository.commit(f"iris: version {version}")
    done = servestack(
        "promote", "iris", "staging", "prod", "--dry-run", "--prometheus", prometheus, "-o", output,
        folder=repository.root,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_version_that_kept_its_objectives(repository: Repository, prometheus: str) -> None:
    text = promoted(repository, prometheus, "2", "text")
    about = re.search(r"^  requests   about (\d+) in 2 h$", text, re.MULTILINE)
    assert about is not None, text
    assert int(about[1]) == pytest.approx(7200, rel=0.02)
    assert "  server errors   0.5% (objective: at most 1%)\n" in text
    assert "  latency   2% above 50 ms (objective: at most 5%)\n" in text
    assert "  p95   about 48.5 ms\n" in text
    assert "  SLO in staging   kept\n" in text


def test_a_version_that_missed_them(repository: Repository, prometheus: str) -> None:
    found: dict[str, Any] = json.loads(promoted(repository, prometheus, "3", "json"))["slo"]
    assert found["requests"] == pytest.approx(7200, rel=0.02)
    assert found["errorRatio"] == pytest.approx(0.02, rel=0.02)
    assert found["slowRatio"] == pytest.approx(0.2, rel=0.02)
    assert (found["missed"], found["isEnough"]) == (["availability", "latency"], True)
    assert "SLO in staging | missed: availability and latency" in promoted(
        repository, prometheus, "3", "github"
    )


def test_a_version_without_requests(repository: Repository, prometheus: str) -> None:
    text = promoted(repository, prometheus, "4", "text")
    assert "  SLO in staging   Prometheus has no request of this version in 2 h\n" in text
