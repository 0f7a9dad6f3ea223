"""Versions of one model: two good ones, one that fails now and then, a slow one, one that never loads."""

from __future__ import annotations

from pathlib import Path

from tests.support.mlflow_server import asking

GOOD, BETTER, FAILING, SLOW, BROKEN = "1", "2", "3", "4", "5"
ERROR_SHARE = 0.05
SLOW_SECONDS = 0.1
_CODE = f"""
import random
import time

class Failing:
    def predict(self, inputs, model):
        # The warm-up asks a few times alone, and a version that fails then never gets ready.
        if random.random() < {ERROR_SHARE} and self.warm > 20:
            raise RuntimeError("a dependency does not answer")
        self.warm += 1
        return model.predict(inputs)

    warm = 0

class Slow:
    def predict(self, inputs, model):
        time.sleep({SLOW_SECONDS})
        return model.predict(inputs)

class Broken:
    def predict(self, inputs, model):
        raise RuntimeError("a file is missing")
"""


_OWNERS = ("versions:Failing", "versions:Slow", "versions:Broken")


def register_bad_versions(uri: str, folder: Path) -> None:
    """Log and register the versions of `iris` after the two good ones, in their order."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    code = folder / "versions.py"
    code.write_text(_CODE)
    data, species = load_iris(return_X_y=True, as_frame=True)
    for number, owner in enumerate(_OWNERS):
        model = LogisticRegression(max_iter=500, C=1 / (1 + number)).fit(data, species)
        with asking(uri, "iris"), mlflow.start_run():
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="iris", serialization_format="skops",
                signature=infer_signature(data, species), input_example=data.head(1),
                pip_requirements=["scikit-learn"], code_paths=[str(code)],
                metadata={"servestack": {"class": owner}},
            )  # fmt: skip
