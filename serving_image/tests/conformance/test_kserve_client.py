"""KServe's Python client, in an environment of its own: it needs other versions than we do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer
from tests.performance.serving.venvs import peer_venv


def test_version_2(server: RunningServer, iris: Iris) -> None:
    rows = iris.rows[:6]
    given = {
        "names": COLUMNS,
        "columns": [list(column) for column in zip(*rows, strict=True)],
        "matrix": rows,
    }
    done = subprocess.run(
        [
            peer_venv("kserve") / "bin/python",
            Path(__file__).with_name("kserve_client.py"),
            server.url,
        ],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    answer = {"model": "iris", "id": "request-1", "values": iris.classes[:6]}
    status, message = found.pop("unknown")
    assert status == 404
    assert "rose" in message
    assert found == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "json": answer,
        "binary": answer,
        "matrix": iris.classes[:6],
    }
