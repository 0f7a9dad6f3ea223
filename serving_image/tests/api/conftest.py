"""Three frameworks on the same flowers, and a server with everything switched on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.process.event_log import KINDS, events
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server


@pytest.fixture(scope="session")
def logged(
    iris: Iris, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, Path]]:
    """Iris with all kinds of events, and the folder of them."""
    folder = tmp_path_factory.mktemp("logged")
    config = iris.config(
        events=events(folder / "events", *KINDS), batching={}, limits={"maxRows": 2000}
    )
    with running_server(config, folder, versions={"iris": "7"}) as server:
        yield server, folder / "events"


@pytest.fixture(scope="session")
def three(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Places of `sk`, `xgb` and `lgb`."""
    import lightgbm
    import mlflow.lightgbm
    import mlflow.xgboost
    import numpy as np
    import xgboost

    folder = tmp_path_factory.mktemp("three")
    rows, classes = np.array(iris.rows), np.array(iris.classes)
    forest = xgboost.XGBClassifier(n_estimators=10).fit(rows, classes)
    mlflow.xgboost.save_model(forest, folder / "xgb", pip_requirements=[])
    leaves = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(rows, classes)
    mlflow.lightgbm.save_model(leaves, folder / "lgb", pip_requirements=[])
    return [
        {"name": "sk", "path": str(iris.folder)},
        {"name": "xgb", "path": str(folder / "xgb")},
        {"name": "lgb", "path": str(folder / "lgb")},
    ]
