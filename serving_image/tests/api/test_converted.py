"""A converted model says that it is one, and how far its numbers were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import running_server

from servestack_server.cli import main


@pytest.mark.parametrize(
    ("runtime", "told"), [("auto", "sklearn_compiled"), ("onnx", "sklearn_onnx")]
)
def test_it_is_told_in_the_metadata_and_measured(
    iris: Iris, tmp_path: Path, runtime: str, told: str
) -> None:
    shutil.copytree(iris.folder, tmp_path / "iris")
    places = [{"name": "iris", "path": str(tmp_path / "iris")}]
    config = iris.config(models=places, runtime=runtime, onnxTolerance=1e-3)
    (tmp_path / "service.json").write_text(json.dumps(config))
    assert main(["bake", f"--config={tmp_path}/service.json", "--only=iris"]) == 0
    record = json.loads((tmp_path / "iris.baked/bake.json").read_text())
    with running_server(config, tmp_path) as server:
        metadata = server.get("/v2/models/iris").json()
        assert metadata["platform"] == told
        difference = record["largest_difference"]
        assert metadata["parameters"] == {"largest_difference": difference}
        lines = server.get("/metrics").body.decode().splitlines()
        (line,) = [line for line in lines if line.startswith("servestack_conversion_difference{")]
        assert float(line.rpartition(" ")[2]) == difference
        predicted = server.post("/v1/iris/predict", iris.rows[:30]).json()["predictions"]
        assert predicted == iris.classes[:30]
