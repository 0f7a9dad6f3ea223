"""`servestack new` of a model with thousands of columns writes what the other commands can read."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from servestack.cli.lock_command import lock
from servestack.cli.start_commands import new
from servestack.review.gate import build_checked
from servestack.spec.load import load_model_service
from servestack_contract.settings import FILE, read_settings
from tests.support.mlflow_server import MlflowServer, asking
from tests.support.projects import set_in_yaml

COLUMNS = 6000


@pytest.fixture(scope="module")
def wide(mlflow_server: MlflowServer) -> str:
    """The address of a registered model of that many columns."""
    from mlflow.models import infer_signature
    from sklearn.linear_model import Ridge

    names = [f"feature_{number:04d}" for number in range(COLUMNS)]
    chance = np.random.default_rng(7)
    data = pd.DataFrame(chance.normal(size=(4, COLUMNS)), columns=names)
    model = Ridge().fit(data, [0.0, 1.0, 0.0, 1.0])
    with asking(mlflow_server.uri, "wide"), mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model, name="model", serialization_format="skops",
            signature=infer_signature(data, model.predict(data)), input_example=data.head(1),
            pip_requirements=["scikit-learn"], registered_model_name="wide",
        )  # fmt: skip
    return f"models:/wide/{info.registered_model_version}"


def test_new_of_6000_columns(
    wide: str, project: Path, mlflow_server: MlflowServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lock` reads it, and the pods get every column from the signature."""
    for file in (project / "models").glob("*.yaml"):
        file.unlink()
    for file in (project / "stacks").glob("*.lock.yaml"):
        file.unlink()
    set_in_yaml(project / "stacks/dev.yaml", mlflow={"trackingUri": mlflow_server.uri})
    new(project, "wide", wide, mlflow_server.uri)
    assert "api.input.columns was left out" in capsys.readouterr().err
    spec = load_model_service(project / "models/wide.yaml").value
    assert spec.api.input.columns is None
    assert isinstance(spec.api.input.example, list)
    assert len(spec.api.input.example[0]) == COLUMNS
    lock(project, ["dev"], refresh=False)
    bodies = [manifest.body for manifest in build_checked(project, "dev").manifests]
    (text,) = (body["data"][FILE] for body in bodies if FILE in body.get("data", {}))
    columns = read_settings(text.encode()).input.columns
    assert columns is not None
    assert [columns[0].name, columns[-1].name] == ["feature_0000", f"feature_{COLUMNS - 1}"]
