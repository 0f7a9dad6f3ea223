"""A scikit-learn model behind KServe's SDK, as its documentation has it: a Model and a ModelServer.

python app.py MODEL.joblib NAME PORT
"""

import sys
from typing import Any

import joblib
import numpy as np
from kserve import Model, ModelServer


class Classifier(Model):
    """Version 1 of the protocol: `instances` in, `predictions` out."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        self._file = file

    def load(self) -> bool:
        self._model = joblib.load(self._file)
        self.ready = True
        return True

    def predict(self, payload: dict[str, Any], headers: Any = None, **_: Any) -> dict[str, Any]:
        rows = np.array(payload["instances"])
        return {"predictions": self._model.predict(rows).tolist()}


if __name__ == "__main__":
    file, name, port = sys.argv[1:]
    classifier = Classifier(name, file)
    classifier.load()
    ModelServer(http_port=int(port), workers=1, enable_grpc=False).start([classifier])
