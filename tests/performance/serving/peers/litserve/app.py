"""A scikit-learn model behind LitServe: one API process, one worker.

python app.py MODEL.joblib NAME PORT
"""

import sys
from typing import Any

import joblib
import litserve
import numpy as np


class Classifier(litserve.LitAPI):
    """`{"data": rows}` in, `{"classes": …}` out."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file

    def setup(self, device: str) -> None:
        self._model = joblib.load(self._file)

    def decode_request(self, request: dict[str, Any], **_: Any) -> Any:
        return np.array(request["data"])

    def predict(self, rows: Any, **_: Any) -> Any:
        return self._model.predict(rows)

    def encode_response(self, classes: Any, **_: Any) -> dict[str, Any]:
        return {"classes": classes.tolist()}


if __name__ == "__main__":
    file, _, port = sys.argv[1:]
    server = litserve.LitServer(Classifier(file), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(port),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
