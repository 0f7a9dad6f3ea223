"""The model server: fetches a pinned artifact, loads it, answers for it."""

import os

from servestack_contract import __version__ as __version__

# Both report to their makers where nobody says otherwise: ONNX Runtime from 1.29 on (its
# Privacy.md), as soon as it is imported; MLflow from 3.2 on. What a model is served with is
# nobody's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
