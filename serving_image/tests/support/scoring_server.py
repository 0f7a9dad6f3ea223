"""MLflow's own scoring server, asked in this process: the reference for what /invocations answers."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from mlflow.pyfunc.scoring_server import invocations
from mlflow.pyfunc.utils.environment import _simulate_serving_environment


class ScoringServer:
    """One model, behind the function that MLflow's server calls for POST /invocations."""

    def __init__(self, folder: Path) -> None:
        self._model = mlflow.pyfunc.load_model(str(folder))
        self._schema = self._model.metadata.get_input_schema()

    def post(self, body: Any) -> Any:
        """The answer, decoded; NaN and infinity, which JSON does not have, as null.

        Raises what MLflow's server makes an error of: MlflowException for the model's, TypeError for
        an answer that it cannot write.
        """
        with warnings.catch_warnings(), _simulate_serving_environment():
            warnings.simplefilter("ignore")
            told = invocations(json.dumps(body), "application/json", self._model, self._schema)
        if told.status != 200:
            raise ValueError(told.response)
        return _of_json(json.loads(told.response))


def _of_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _of_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_of_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
