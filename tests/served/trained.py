"""Models of each framework of the stock image, logged to an MLflow server."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.mlflow_server import asking

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")

OWN_CODE = '''
class IrisService:
    """In centimetres, as the callers measure; the model was trained on them too."""

    def preprocess(self, rows):
        if any(row[0] > 20 for row in rows):
            raise ValueError("a sepal of more than 20 cm: are these millimetres?")
        return rows

    def postprocess(self, outputs):
        names = ["setosa", "versicolor", "virginica"]
        self.emit("species", {"count": len(outputs)})
        return [{"species": names[int(kind)]} for kind in outputs]
'''


def iris() -> tuple[Any, Any]:
    """(frame of four columns, species 0, 1, 2)"""
    from sklearn.datasets import load_iris

    data, species = load_iris(return_X_y=True, as_frame=True)
    data.columns = list(COLUMNS)
    return data, species


def log_model(uri: str, name: str, kind: str, folder: Path) -> None:
    """Train a model of a kind on iris, log and register it, and call it `production`."""
    import mlflow
    from mlflow.models import infer_signature

    data, species = iris()
    with warnings.catch_warnings(), asking(uri, "served"), mlflow.start_run():
        warnings.simplefilter("ignore")
        info = LOGGED[kind](
            data, species, folder,
            name="model", registered_model_name=name, input_example=data.head(2),
            signature=infer_signature(data, species), pip_requirements=["scikit-learn"],
        )  # fmt: skip
    client = mlflow.MlflowClient(uri)
    client.set_registered_model_alias(name, "production", str(info.registered_model_version))


def _sklearn(data: Any, species: Any, folder: Path, **settings: Any) -> Any:
    import mlflow.sklearn
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = make_pipeline(StandardScaler(), SVC()).fit(data, species)
    return mlflow.sklearn.log_model(model, serialization_format="skops", **settings)


def _xgboost(data: Any, species: Any, folder: Path, **settings: Any) -> Any:
    import mlflow.xgboost
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=20, max_depth=3).fit(data, species)
    return mlflow.xgboost.log_model(model, **settings)


def _lightgbm(data: Any, species: Any, folder: Path, **settings: Any) -> Any:
    import mlflow.lightgbm
    from lightgbm import train
    from lightgbm.basic import Dataset

    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    model = train(parameters, Dataset(data, species), num_boost_round=20)
    return mlflow.lightgbm.log_model(model, **settings)


def _onnx(data: Any, species: Any, folder: Path, **settings: Any) -> Any:
    import mlflow.onnx
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(data.to_numpy(np.float32), species)
    converted = to_onnx(model, data.to_numpy(np.float32)[:1], options={"zipmap": False})
    return mlflow.onnx.log_model(converted, **settings)


def _pyfunc(data: Any, species: Any, folder: Path, **settings: Any) -> Any:
    import mlflow.pyfunc

    script = folder / "longest.py"
    script.write_text(
        "import mlflow\n"
        "from thresholds import PETAL\n"
        "class Longest(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return (model_input['petal_length'] > PETAL).astype(int)\n"
        "mlflow.models.set_model(Longest())\n"
    )
    thresholds = folder / "thresholds.py"
    thresholds.write_text("PETAL = 2.5\n")
    sys.path.insert(0, str(folder))  # MLflow runs the script once while it logs it.
    try:
        return mlflow.pyfunc.log_model(
            python_model=str(script), code_paths=[str(thresholds)], **settings
        )
    finally:
        sys.path.remove(str(folder))


def _owned(data: Any, species: Any, folder: Path, **settings: Any) -> Any:
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    code = folder / "iris_service.py"
    code.write_text(OWN_CODE)
    model = LogisticRegression(max_iter=500).fit(data, species)
    return mlflow.sklearn.log_model(
        model, serialization_format="skops", code_paths=[str(code)],
        metadata={"servestack": {"class": "iris_service:IrisService"}}, **settings,
    )  # fmt: skip


LOGGED: dict[str, Callable[..., Any]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "onnx": _onnx,
    "pyfunc": _pyfunc,
    "owned": _owned,
}
