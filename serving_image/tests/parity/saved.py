"""A fitted model as MLflow saves it, and as the server loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import mlflow.lightgbm
import mlflow.sklearn
import mlflow.xgboost
import pandas as pd
import xgboost as xgb
from mlflow.models import infer_signature

from servestack_contract.settings import Column, Runtime, Trust
from servestack_server.models.bake import bake
from servestack_server.models.load import load_model
from servestack_server.models.model import Model

Columns = tuple[Column, ...]
_TYPES = {"int64": "long", "float64": "double", "float32": "float", "bool": "boolean"}
_TRUST = Trust(pickle=True)


def save(model: Any, frame: pd.DataFrame, folder: Path, *, predict_fn: str = "predict") -> None:
    """Save the model with the signature of its features."""
    settings: dict[str, Any] = {"signature": infer_signature(frame), "pip_requirements": []}
    # The flavors of XGBoost and LightGBM know no predict_fn; their estimators are saved as any other.
    if predict_fn == "predict" and isinstance(model, xgb.Booster | xgb.XGBModel):
        mlflow.xgboost.save_model(model, folder, **settings)
    elif predict_fn == "predict" and isinstance(model, lgb.Booster | lgb.LGBMModel):
        mlflow.lightgbm.save_model(model, folder, **settings)
    else:
        settings |= {"serialization_format": "cloudpickle", "pyfunc_predict_fn": predict_fn}
        mlflow.sklearn.save_model(model, folder, **settings)


def columns_of(frame: pd.DataFrame) -> Columns:
    """Return the columns as a spec has them; floats may be missing."""
    return tuple(
        Column(str(name), _TYPES.get(dtype.name, "string"), nullable=dtype.kind == "f")  # type: ignore[arg-type]
        for name, dtype in frame.dtypes.items()
    )


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows as the server reads them from JSON; None for what is missing."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [tuple(row) for row in plain.to_numpy().tolist()]


def compiled_record(folder: Path, columns: Columns, example: list[tuple[Any, ...]]) -> Any:
    """Compile the model beside its folder, and return the record of it."""
    bake(
        folder, columns=columns, tensor=None, example=example, trust=_TRUST, required=False,
        say=lambda line: None,
    )  # fmt: skip
    return json.loads((folder.with_name(folder.name + ".baked") / "bake.json").read_text())


def load(folder: Path, columns: Columns, runtime: Runtime) -> Model:
    """Load the model as the server does."""
    return load_model(
        folder, name="m", version="1", digest="", columns=columns, tensor=None, runtime=runtime,
        trust=_TRUST,
    )  # fmt: skip
