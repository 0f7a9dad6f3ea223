"""Versions of one model: two that are good, one that fails now and then, one that is slow."""

from __future__ import annotations

from pathlib import Path

from tests.support.mlflow_server import asking

GOOD, BETTER, FAILING, SLOW = "1", "2", "3", "4"
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

class Slow(Failing):
    def predict(self, inputs, model):
        time.sleep({SLOW_SECONDS})
        return model.predict(inputs)
"""


def register_versions(uri: str, folder: Path) -> None:
    """Log and register the four versions of `iris`, in their order."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    code = folder / "versions.py"
    code.write_text(_CODE)
    data, species = load_iris(return_X_y=True, as_frame=True)
    for number, owner in enumerate(("", "", "versions:Failing", "versions:Slow")):
        model = LogisticRegression(max_iter=500, C=1 / (1 + number)).fit(data, species)
        own = {"code_paths": [str(code)], "metadata": {"servestack": {"class": owner}}}
        with asking(uri, "iris"), mlflow.start_run():
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="iris", serialization_format="skops",
                signature=infer_signature(data, species), input_example=data.head(1),
                pip_requirements=["scikit-learn"], **(own if owner else {}),
            )  # fmt: skip
