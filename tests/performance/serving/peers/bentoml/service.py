"""A scikit-learn model behind BentoML: one worker, its batching, the file given by MODEL_FILE."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Classifier:
    """`{"data": rows}` in, a list of classes out."""

    def __init__(self) -> None:
        self._model = joblib.load(os.environ["MODEL_FILE"])

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def predict(self, data: np.ndarray) -> np.ndarray:
        return self._model.predict(data)
