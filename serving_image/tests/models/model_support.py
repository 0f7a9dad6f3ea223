"""Data, and the two ways to ask a saved model: ours and MLflow's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import mlflow.pyfunc
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from servestack_contract.settings import Column, Tensor, Trust
from servestack_server.models.load import load_model

Row = tuple[Any, ...]


def iris() -> tuple[pd.DataFrame, pd.Series]:
    """150 rows of four columns, and three classes."""
    features, classes = load_iris(return_X_y=True, as_frame=True)
    return features, classes


def columns_of(frame: pd.DataFrame) -> tuple[Column, ...]:
    """The columns as MLflow's signature types them."""
    types: dict[str, Any] = {"f": "double", "i": "long", "b": "boolean"}
    return tuple(Column(str(name), types.get(kind.kind, "string")) for name, kind in _kinds(frame))


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Rows as requests bring them: tuples of Python values."""
    return [tuple(row) for row in frame.astype(object).to_numpy().tolist()]


def load(
    folder: Path,
    frame: pd.DataFrame | None = None,
    *,
    columns: tuple[Column, ...] | None = None,
    tensor: Tensor | None = None,
    tensors: tuple[Tensor, ...] | None = None,
    runtime: Literal["auto", "onnx", "native"] = "auto",
    trust: Trust | None = None,
    outputs: tuple[str, ...] | None = None,
) -> Any:
    """`load_model` with defaults. Not typed as Model: a test knows what form its answers have."""
    return load_model(
        folder,
        name="model",
        version="1",
        digest="",
        columns=columns_of(frame) if frame is not None else columns,
        tensor=tensor,
        tensors=tensors,
        runtime=runtime,
        trust=trust or Trust(),
        outputs=outputs,
    )


def by_mlflow(folder: Path, frame: pd.DataFrame) -> Any:
    """The answer of MLflow's own loader, as an array."""
    return np.asarray(mlflow.pyfunc.load_model(str(folder)).predict(frame))


def imported_after_loading(folder: Path, columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Which of the packages a fresh interpreter has imported once the model has answered."""
    program = f"""
import sys
from pathlib import Path
from servestack_contract.settings import Column, Trust
from servestack_server.models.load import load_model
model = load_model(Path({str(folder)!r}), name="m", version="1", digest="", tensor=None,
    columns=tuple(Column(name, "double") for name in {list(columns)!r}),
    runtime="auto", trust=Trust())
model.predict([(5.1, 3.5, 1.4, 0.2)])
print(*(name for name in {list(names)!r} if name in sys.modules))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return run.stdout.split()


def _kinds(frame: pd.DataFrame) -> list[tuple[Any, Any]]:
    return list(frame.dtypes.items())
