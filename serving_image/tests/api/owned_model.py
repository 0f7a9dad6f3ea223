"""The iris model with a class of its owner around it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml
from serving_image.tests.support.iris import Iris

SLOW = """
import time

class Owner:
    '''Takes its time for rows that begin with more than 90, a second for ten above.'''

    def predict(self, inputs, model):
        time.sleep(max(0.0, max(row[0] for row in inputs) - 90) / 10)
        return model.predict(inputs)
"""


def own_iris(iris: Iris, folder: Path, code: str) -> dict[str, Any]:
    """Settings that serve a copy of the model, in `folder`, behind the class `Owner` of `code`."""
    model = folder / "model"
    shutil.copytree(iris.folder, model)
    described = yaml.safe_load((model / "MLmodel").read_text())
    described["metadata"] = {"servestack": {"class": f"{folder.name}_owner:Owner"}}
    (model / "MLmodel").write_text(yaml.safe_dump(described))
    (model / "code").mkdir()
    (model / "code" / f"{folder.name}_owner.py").write_text(code)
    return iris.config(models=[{"name": "iris", "path": str(model)}], trust={"code": True})
