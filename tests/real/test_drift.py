"""Drift as Prometheus computes it from the real server's counters, beside numpy and scipy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scipy.spatial import distance
from scipy.stats import chi2, chi2_contingency
from serving_image.tests.support.server import RunningServer, running_server

import servestack
from servestack.manifests.rules import rule_groups
from servestack_contract import drift
from servestack_contract.profile import read_profile, shares
from servestack_server.cli import main
from tests.support.drift_rules import constant, counted, recorded, series
from tests.support.services import resolved

ROWS, ASKED = 4000, 2000
WINDOW = "1h"
Samples = list[tuple[dict[str, str], float]]
Key = tuple[str, str]
"""Side and column."""


def training(seed: int, rows: int, shift: float = 0.0) -> pd.DataFrame:
    """Numbers, whole numbers, texts, booleans; nulls, ties, a rare value; one column may move."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": random.lognormal(10, 0.6, rows).round(2),
            "age": random.normal(40 + 12 * shift, 12, rows).round(1),
            "visits": random.poisson(2, rows).astype(float),
            "plan": random.choice(["free", "basic", 'pro "x"'], rows, p=[0.5, 0.3, 0.2]),
            "active": random.random(rows) < 0.7,
            "score": np.where(random.random(rows) < 0.4, 0.0, random.random(rows)),
        }
    )
    frame.loc[random.random(rows) < 0.05, "income"] = np.nan
    return frame


def model(frame: pd.DataFrame) -> Any:
    """A number that depends on two columns."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    numbers = make_column_transformer((SimpleImputer(), ["income", "age"]))
    made = make_pipeline(numbers, LinearRegression())
    return made.fit(frame, np.nan_to_num(frame["income"]) / 1000 + frame["age"])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server with a profile in its artifact, that has answered rows in which ages have moved."""
    import mlflow.sklearn

    folder = tmp_path_factory.mktemp("drift")
    frame = training(1, ROWS)
    trained = model(frame)
    mlflow.sklearn.save_model(
        trained, folder / "model", serialization_format="skops", pip_requirements=["scikit-learn"],
        skops_trusted_types=["numpy.dtype"],
    )  # fmt: skip
    servestack.profile(frame, trained.predict(frame)).save(folder / "model")
    types = {"plan": "string", "active": "boolean"}
    columns = [
        {"name": name, "type": types.get(str(name), "double"), "nullable": name == "income"}
        for name in frame.columns
    ]
    config = {
        "name": "spend", "environment": "prod", "basePath": "/v1/spend",
        "models": [{"name": "spend", "path": str(folder / "model")}],
        "input": {"columns": columns}, "metrics": {"drift": {"rowsPerSecond": 500_000}},
        "limits": {"maxRows": ASKED}, "trust": {"skopsTypes": ["numpy.dtype"]},
    }  # fmt: skip
    # Compiled, the server need not import scikit-learn at its start.
    (folder / "bake.json").write_text(json.dumps(config))
    assert main(["bake", f"--config={folder}/bake.json"]) == 0
    with running_server(config, folder / "server") as server:
        rows = json.loads(training(2, ASKED, shift=0.5).to_json(orient="values"))
        answer = server.post("/v1/spend/predict", rows[:1500])
        assert answer.status == 200, answer.body
        for row in rows[1500:]:
            assert server.post("/v1/spend/predict", [row]).status == 200
        _wait_until_counted(server)
        yield server, folder


def _wait_until_counted(server: RunningServer) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        counts = [value for name, labels, value in exported(server)
                  if name == "servestack_input_bucket_total" and labels["column"] == "age"]  # fmt: skip
        if sum(counts) == ASKED:
            return
        time.sleep(0.1)
    raise AssertionError(f"not counted in time: {sum(counts)}")


def exported(server: RunningServer) -> list[tuple[str, dict[str, str], float]]:
    text = server.get("/metrics").body.decode()
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def as_series(server: RunningServer) -> list[dict[str, str]]:
    return [
        counted(name, labels, value) if name.endswith("_total") else constant(name, labels, value)
        for name, labels, value in exported(server)
        if "bucket" in name.removesuffix("_bucket") or "profile" in name or "drift" in name
    ]


def counts_of(server: RunningServer) -> dict[Key, tuple[list[float], list[float]]]:
    """(rows of each bucket now, shares of the profile) by column, as the server exports them."""
    now: dict[Key, dict[str, float]] = {}
    reference: dict[Key, dict[str, float]] = {}
    for name, labels, value in exported(server):
        if name == "servestack_profile_share":
            reference.setdefault((labels["side"], labels["column"]), {})[labels["bucket"]] = value
        elif name in ("servestack_input_bucket_total", "servestack_prediction_bucket_total"):
            side = name.split("_")[1]
            now.setdefault((side, labels["column"]), {})[labels["bucket"]] = value
    return {
        key: ([buckets[label] for label in reference[key]], list(reference[key].values()))
        for key, buckets in now.items()
    }


def by_column(samples: Samples) -> dict[Key, float]:
    return {(labels["side"], labels["column"]): value for labels, value in samples}


def name(what: str, window: str = WINDOW) -> str:
    return f"servestack:drift_{what}:{window}"


def test_prometheus_computes_what_numpy_and_scipy_do(
    asked: tuple[RunningServer, Path], tmp_path: Path
) -> None:
    server, _ = asked
    service = resolved(tmp_path / "project", {"name": "spend", "monitoring": {"drift": True}})
    wanted = [name(what) for what in ("psi", "js_distance", "chi_squared", "psi_limit", "rows")]
    got = recorded(tmp_path, rule_groups(service), as_series(server), wanted)
    psi, js, statistic, limit, rows = (by_column(got[expr]) for expr in wanted)
    columns = counts_of(server)
    assert set(psi) == set(columns) == set(js)
    assert len(columns) == 7
    for key, (counts, profile) in columns.items():
        now, reference = np.array(counts) / sum(counts), np.array(profile)
        a, r = (
            np.where(now, now, drift.ZERO_SHARE),
            np.where(reference, reference, drift.ZERO_SHARE),
        )
        assert psi[key] == pytest.approx(np.sum((a - r) * np.log(a / r)), abs=1e-9), key
        assert js[key] == pytest.approx(distance.jensenshannon(now, reference), abs=1e-9), key
        n, (_, column) = rows[key], key
        # Prometheus extrapolates the rows of a window by up to one scrape.
        assert n == pytest.approx(ASKED, rel=0.02), column
        mirrored = drift.chi_squared(now.tolist(), profile, n, ROWS)
        assert statistic[key] == pytest.approx(mirrored, rel=1e-9), key
        degrees = len(counts) - 1
        tail = drift.FALSE_ALARMS / len(columns)
        expected = drift.psi_limit(chi2.isf(tail, degrees), n, ROWS, drift.PSI_FLOOR)
        assert limit[key] == pytest.approx(expected, rel=1e-9), key
    # Where no bucket is nearly empty it is the test that scipy has.
    counts, profile = columns["input", "plan"]
    table = np.array([counts, np.array(profile) * ROWS])[:, np.array(counts) > 0]
    plain = chi2_contingency(table, correction=False).statistic
    now = (np.array(counts) / ASKED).tolist()
    assert drift.chi_squared(now, profile, ASKED, ROWS) == pytest.approx(plain, rel=1e-6)


def test_the_server_counts_as_training_does(asked: tuple[RunningServer, Path]) -> None:
    """The rows came as JSON, alone and together. A profile of them has the same counts."""
    server, folder = asked
    from servestack_contract.buckets import counter_of

    rows = training(2, ASKED, shift=0.5)
    for column in read_profile(folder / "model/servestack_profile.json").columns:
        counts, _ = counts_of(server)["input", column.name]
        assert counts == counter_of(column)(rows[column.name].to_numpy()).tolist(), column.name


LABELS = {"environment": "prod", "model_service": "iris", "model": "iris", "profile": "ab"}
EVEN = [1000, 1000, 1000, 1000]
MOVED = [400, 400, 400, 800]
DAY = 25 * 60


def given(
    hours: list[list[int]], reference: list[int] = EVEN, side: str = "input"
) -> list[dict[str, str]]:
    """Series in which each hour has some rows by bucket, and the profile has others."""
    key = {**LABELS, "column": "a"}
    found = []
    for at, share in enumerate(shares(reference)):
        bucket = {**key, "bucket": str(at)}
        steps, total = ["0x9"], 0
        for hour in hours:
            steps.append(f"{total}+{hour[at] / 60!r}x59")
            total += hour[at]
        steps.append(f"{total}x20")
        found.append(series(f"servestack_{side}_bucket_total", bucket, " ".join(steps)))
        found.append(
            series("servestack_profile_share", {**bucket, "side": side}, f"{share}x{DAY + 100}")
        )
    sided = {**key, "side": side}
    quantile = drift.chi_squared_quantile(drift.FALSE_ALARMS, len(reference) - 1)
    found.append(series("servestack_profile_rows", sided, f"{sum(reference)}x{DAY + 100}"))
    found.append(series("servestack_profile_chi_squared_limit", sided, f"{quantile}x{DAY + 100}"))
    return found


@pytest.mark.parametrize(
    ("hours", "side", "windows"),
    [
        pytest.param([[500] * 4], "input", set(), id="quiet"),
        pytest.param([MOVED], "input", {("ModelServiceInputDrift", "1h"), ("ModelServiceInputDrift", "1d")}, id="moved"),
        pytest.param([MOVED], "prediction", {("ModelServicePredictionDrift", "1h"), ("ModelServicePredictionDrift", "1d")}, id="predictions"),
        pytest.param([[40, 40, 40, 360]], "input", set(), id="too few rows in the hour"),
        pytest.param(
            [[20, 20, 20, 60]] * 24, "input", {("ModelServiceInputDrift", "1d")}, id="few rows an hour"
        ),
        pytest.param(
            [[0, 0, 0, 2000]] * 22 + [[500] * 4] * 2, "input", set(), id="over since an hour"
        ),
        pytest.param(
            [[0, 0, 0, 2000]] * 2 + [[500] * 4] + [[10] * 4] * 21, "input", set(), id="over, and few rows since"
        ),
        pytest.param(
            [[500] * 4] + [[0, 0, 0, 2000]] + [[20] * 4] * 4, "input", {("ModelServiceInputDrift", "1d")}, id="began after a quiet hour"
        ),
        # 600 rows cannot tell a PSI of 0.02 from chance, and no number of rows makes it matter.
        pytest.param([[13_500, 15_000, 15_000, 16_500]], "input", set(), id="real but small"),
    ],
)  # fmt: skip
def test_alerts(
    tmp_path: Path, hours: list[list[int]], side: str, windows: set[tuple[str, str]]
) -> None:
    service = resolved(tmp_path / "project", {"monitoring": {"drift": True}})
    minutes = 10 + 60 * len(hours) + 6
    got = recorded(
        tmp_path, rule_groups(service), given(hours, side=side), ["ALERTS"], at=f"{minutes}m"
    )
    firing = {(s["alertname"], s.get("window", "")) for s, _ in got["ALERTS"]}
    assert firing - {("ModelServiceDown", "")} == windows


def test_thresholds_of_the_spec(tmp_path: Path) -> None:
    tolerant = {"psi": 1, "minimumRows": 500}
    for setting, fires in (({}, True), (tolerant, False), ({"minimumRows": 5000}, False)):
        service = resolved(tmp_path / str(len(str(setting))), {"monitoring": {"drift": setting}})
        got = recorded(tmp_path, rule_groups(service), given([MOVED]), ["ALERTS"], at="76m")
        names = {labels["alertname"] for labels, _ in got["ALERTS"]}
        assert ("ModelServiceInputDrift" in names) == fires, setting


@pytest.mark.parametrize(
    "unwatched",
    [
        [constant("servestack_drift_problems", {**LABELS, "problem": "profile"}, 1)],
        [
            series("servestack_drift_rows_total", LABELS, "0+100x100"),
            series("servestack_drift_rows_skipped_total", {**LABELS, "reason": "busy"}, "0+11x100"),
        ],
    ],
    ids=["a bad profile", "rows are not counted"],
)
def test_nobody_watches(tmp_path: Path, unwatched: list[dict[str, str]]) -> None:
    service = resolved(tmp_path / "project", {"monitoring": {"drift": True}})
    got = recorded(tmp_path, rule_groups(service), unwatched, ["ALERTS"])
    assert "ModelServiceDriftUnwatched" in {labels["alertname"] for labels, _ in got["ALERTS"]}
