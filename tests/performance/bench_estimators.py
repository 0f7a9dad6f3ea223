"""What a call of common estimators costs: `make bench-estimators`, all or those with MODEL in the name.

Four ways, taken in turns in one run, each with its fastest call: `runtime: auto`, `runtime: native`,
the estimator itself (an array, or a DataFrame where it needs one, both made before), and
mlflow.pyfunc with a DataFrame. Ours begin with the rows as a request holds them, a tuple each, and so
does whoever calls an estimator in a server: `rows` is the time to put them into one array, and counts
with the bare call in the ratios. Below 1 ours is faster. The last column says how many times faster
than mlflow.pyfunc, whose DataFrame is made before. One thread each, the bare
call as well: LightGBM's and XGBoost's classes are made with n_jobs=1. Only where the name says
n_jobs=-1 the bare call has all cores, and ours still one.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before the libraries start their threads: the server gives each prediction one.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)

import mlflow.pyfunc
import numpy as np
import pandas as pd
import xgboost as xgb
from serving_image.tests.parity.saved import columns_of, compiled_record, load, rows_of, save

from servestack_server.models.frames import needs_frame
from tests.performance.estimators import ESTIMATORS, Line, fit

SIZES = (1, 64, 1000)
ROUNDS = 7
ROUND_SECONDS = 0.02
WAYS = ("auto", "native", "bare", "pyfunc", "rows")


def main(text: str) -> int:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(
        f"{'model':38}{'served':>9}{'rows':>6}"
        + "".join(f"{way + ' us':>11}" for way in WAYS)
        + f"{'auto/bare':>11}{'native/bare':>12}{'x pyfunc':>9}"
    )
    for line in ESTIMATORS:
        if text.lower() in line[0].lower():
            with tempfile.TemporaryDirectory() as folder:
                _measure(line, Path(folder) / "m")
    return 0


def _measure(line: Line, folder: Path) -> None:
    """Print the figures of one model."""
    name = line[0]
    table, model = fit(*line[1:])
    frame = table.features
    save(model, frame, folder)
    columns, rows = columns_of(frame), rows_of(frame)
    compiled_record(folder, columns, rows[:3])
    auto, native = (load(folder, columns, runtime) for runtime in ("auto", "native"))
    pyfunc, bare = mlflow.pyfunc.load_model(str(folder)).predict, _bare(model, frame)
    for size in SIZES:
        some, part = rows[:size], frame[:size]
        given = part if needs_frame(model, columns) else part.to_numpy(copy=True)
        calls: list[Callable[[], Any]] = [
            lambda some=some: auto.predict(some),  # type: ignore[misc]
            lambda some=some: native.predict(some),  # type: ignore[misc]
            lambda given=given: bare(given),  # type: ignore[misc]
            lambda part=part: pyfunc(part),  # type: ignore[misc]
            lambda some=some: np.array(some),  # type: ignore[misc]
        ]
        figures = _microseconds(calls)
        by_auto, by_native = (figures[at] / (figures[2] + figures[4]) for at in (0, 1))
        print(
            f"{name if size == 1 else '':38}{auto.runtime if size == 1 else '':>9}{size:6}"
            + "".join(f"{figure:11.1f}" for figure in figures)
            + f"{by_auto:11.2f}{by_native:12.2f}{figures[3] / figures[0]:8.1f}x",
            flush=True,
        )


def _bare(model: Any, frame: pd.DataFrame) -> Callable[[Any], Any]:
    if isinstance(model, xgb.Booster):
        names = list(frame)
        return lambda given: model.predict(xgb.DMatrix(given, feature_names=names))
    return model.predict  # type: ignore[no-any-return]


def _microseconds(calls: list[Callable[[], Any]]) -> list[float]:
    """Return the fastest call of each in microseconds. They take turns, so that all see the same noise."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for at, call in enumerate(calls):
            ends = time.perf_counter() + ROUND_SECONDS
            while (started := time.perf_counter()) < ends:
                call()
                best[at] = min(best[at], time.perf_counter() - started)
    return [seconds * 1e6 for seconds in best]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
