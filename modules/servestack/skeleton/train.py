"""Example: trains a small model and registers it in MLflow as `iris`, with alias `production`.

MLFLOW_TRACKING_URI names the server. Without it, the registry is the file mlflow.db in this folder.
"""

import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

os.chdir(Path(__file__).resolve().parent)
mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")
mlflow.set_experiment("iris")

data, species = load_iris(return_X_y=True, as_frame=True)
data.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
model = LogisticRegression(max_iter=500).fit(data, species)

with mlflow.start_run():
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="skops",
        signature=infer_signature(data, model.predict(data)),
        input_example=data.head(1),
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
        registered_model_name="iris",
    )
version = str(logged.registered_model_version)
mlflow.MlflowClient().set_registered_model_alias("iris", "production", version)
print(f"registered iris, version {version}, with alias production")
