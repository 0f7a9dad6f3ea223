"""The models that every server gets: trained here, kept for all of them, with the right answers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_ROWS = 256


@dataclass(frozen=True)
class TrainedModel:
    """A classifier as a joblib file and as an MLflow folder, and rows with their classes."""

    name: str
    joblib: Path
    mlflow: Path
    rows: list[list[float]]
    classes: list[int]
    trusted: list[str]
    """What skops must be told to load, because we have made it."""

    @property
    def features(self) -> int:
        return len(self.rows[0])


def train_models(folder: Path) -> dict[str, TrainedModel]:
    """`iris` (scaler and support vectors) and `wide` (200 features, boosted trees)."""
    from sklearn.datasets import load_iris, make_classification
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    iris = load_iris(return_X_y=True)
    wide = make_classification(
        n_samples=1000, n_features=200, n_informative=20, n_classes=2, random_state=0
    )
    svc = make_pipeline(StandardScaler(), SVC()).fit(*iris)
    trees = GradientBoostingClassifier(n_estimators=100, random_state=0).fit(*wide)
    return {
        "iris": _save(folder, "iris", svc, iris[0], []),
        "wide": _save(folder, "wide", trees, wide[0].round(6), ["sklearn.tree._tree.Tree"]),
    }


def _save(folder: Path, name: str, model: Any, features: Any, trusted: list[str]) -> TrainedModel:
    import joblib
    import mlflow.sklearn
    import numpy as np
    from mlflow.models import infer_signature

    # The rows in an order in which the first ones have different classes.
    spread = np.arange(BATCH_ROWS) * 53 % len(features)
    rows = features[spread]
    classes = model.predict(rows)
    joblib.dump(model, folder / f"{name}.joblib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model,
            str(folder / name),
            serialization_format="skops",
            skops_trusted_types=trusted,
            signature=infer_signature(features, model.predict(features)),
            pip_requirements=["scikit-learn"],
        )
    return TrainedModel(
        name, folder / f"{name}.joblib", folder / name, rows.tolist(), classes.tolist(), trusted
    )
