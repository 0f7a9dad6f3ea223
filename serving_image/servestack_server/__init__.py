"""The model server: it fetches a pinned artifact, loads it and answers requests."""

import os

from servestack_contract import __version__ as __version__

# Both send telemetry by default: ONNX Runtime from 1.29 on (see its Privacy.md), as soon as it is
# imported, and MLflow from 3.2 on. How a model is served stays private.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
