"""Nothing that is imported leaves a mark of its own, or reports to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_frameworks_leave_nothing_in_the_home_folder(tmp_path: Path) -> None:
    program = (
        "import servestack_server, onnxruntime, mlflow.pyfunc, os\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    # ONNX Runtime is silent in CI by itself, which would prove nothing.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "true"]
    assert list(tmp_path.rglob("*")) == []
