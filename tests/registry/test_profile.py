"""A profile on its way: logged beside the model in MLflow, locked, fetched, counted with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from serving_image.tests.support.fetching import fetch_into
from serving_image.tests.support.server import running_server

import servestack
from servestack.profiling import TrainingProfile
from servestack.resolve.digest import digest_of
from servestack.resolve.mlflow_address import MlflowAddress
from servestack.resolve.mlflow_registry import MlflowRegistry
from servestack.resolve.model_facts import read_facts
from servestack.spec.artifact_uri import parse_artifact_uri
from servestack_contract.artifact import Pin
from servestack_contract.profile import FILE, profile_id
from tests.support.mlflow_server import MlflowServer, asking

ROWS = [[float(at % 7), float(at % 100)] for at in range(600)]


def test_from_training_to_the_counters(
    mlflow_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    profile = _train(mlflow_server.uri)
    registry = MlflowRegistry(MlflowAddress(mlflow_server.uri))
    found = registry.find(parse_artifact_uri("models:/profiled/1"))
    (tmp_path / "lock").mkdir()
    locked = registry.download(found, tmp_path / "lock")
    assert (locked / FILE).read_bytes() == profile.text
    assert read_facts(locked).profile
    with_profile = digest_of(locked).sha256
    fetch_into(tmp_path / "models")(Pin("profiled", found.source, with_profile))
    fetched = tmp_path / "models/profiled"
    assert (fetched / FILE).read_bytes() == profile.text
    (locked / FILE).unlink()
    assert digest_of(locked).sha256 != with_profile
    assert not read_facts(locked).profile
    config = {
        "name": "profiled", "models": [{"name": "profiled", "path": str(fetched)}],
        "input": {"columns": [{"name": name, "type": "double"} for name in "ab"]},
        "metrics": {"drift": True},
    }  # fmt: skip
    with running_server(config, tmp_path / "server") as server:
        assert server.post("/v1/profiled/predict", ROWS[:50]).status == 200
        time.sleep(0.5)
        text = server.get("/metrics").body.decode()
    named = f'profile="{profile_id(profile.text)}"'
    counted = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("servestack_input_bucket_total{") and named in line
    ]
    assert sum(counted) == 2 * 50


def test_a_model_of_a_run(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """The address of MLflow 2, in which a model lies among the artifacts of its run."""
    profile = servestack.profile(ROWS)
    with asking(mlflow_server.uri, "runs"), mlflow.start_run() as run:
        mlflow.log_text("flavors: {}", "model/MLmodel")
        profile.log(f"runs:/{run.info.run_id}/model")
        there = mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="model")
    assert sorted(file.path for file in there) == ["model/MLmodel", f"model/{FILE}"]


def _train(uri: str) -> TrainingProfile:
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    model = LinearRegression().fit(frame, frame["a"] + frame["b"])
    with asking(uri, "profiled"), mlflow.start_run():
        info: Any = mlflow.sklearn.log_model(
            model, name="model", serialization_format="skops", pip_requirements=["scikit-learn"]
        )
        profile = servestack.profile(frame, model.predict(frame))
        profile.log(info.model_uri)
        mlflow.register_model(info.model_uri, "profiled")
    return profile
