"""Reads the `MLmodel` file of an artifact, and maps names of bare model files to flavors.

MLflow's format: a folder with an `MLmodel` file in YAML (MLflow, "MLflow Models", storage format).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from servestack_contract.artifact import ArtifactError

FILE = "MLmodel"


class Flavor(msgspec.Struct, frozen=True):
    """A flavor of MLflow that the server loads with an adapter of its own.

    `version_key` and `data_key` are the flavor's keys in MLmodel for the framework's version and
    for the model file. `suffixes` are those of bare model files. `adapter` is the module that loads
    it, where that is not called as the flavor.
    """

    name: str
    version_key: str
    suffixes: tuple[str, ...] = ()
    data_key: str = "data"
    adapter: str = ""


FLAVORS = (
    Flavor("sklearn", "sklearn_version", (".skops", ".pkl", ".pickle", ".joblib"), "pickled_model"),
    Flavor("xgboost", "xgb_version", (".ubj", ".xgb", ".json")),
    Flavor("lightgbm", "lgb_version", (".txt", ".lgb")),
    Flavor("catboost", "catboost_version", (".cbm",)),
    Flavor("onnx", "onnx_version", (".onnx",)),
    Flavor("keras", "keras_version", (".keras",)),
    Flavor("tensorflow", "tf_version", adapter="keras"),
    Flavor("pytorch", "pytorch_version", data_key="model_data"),
)
"""In the order of preference: the first that a model has is used. Any other model is a pyfunc."""

SERVED_FLAVORS = {flavor.name: flavor for flavor in FLAVORS}
KNOWN_FLAVORS = (*SERVED_FLAVORS, "transformers", "spark")
"""Flavors that a lock names."""

OF_SEVERAL_TENSORS = ("onnx", "keras", "tensorflow", "pyfunc")
"""Flavors whose models MLflow calls with a mapping of arrays."""
USE_PARAMS = ("xgboost", "pytorch")
"""Flavors whose wrappers in MLflow hand params to the framework. All others ignore them."""
CONVERTED = ("sklearn", "xgboost", "lightgbm")
"""Flavors that `runtime: onnx` converts."""

FLAVOR_BY_SUFFIX = {suffix: flavor.name for flavor in FLAVORS for suffix in flavor.suffixes}
"""The flavor of a bare model file, by its suffix."""
AMBIGUOUS_SUFFIXES = {".json", ".txt"}
"""Suffixes that a model shares with files that describe it: any other suffix goes first."""

_MAX_BYTES = 4 << 20


class NoMergeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses merge keys: MLflow writes none, and nested ones take minutes to read."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        pass


def read_mlmodel(file: Path) -> dict[str, Any]:
    """Return the file's mapping.

    Raises ArtifactError if it is larger than 4 MiB, cannot be read or is not a YAML mapping.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ArtifactError(file, f"is larger than {_MAX_BYTES >> 20} MiB")
        description = yaml.load(file.read_text(encoding="utf-8"), NoMergeLoader)
    except OSError as error:
        raise ArtifactError(file, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArtifactError(file, f"is not YAML: {reason}") from None
    if not isinstance(description, dict):
        raise ArtifactError(file, "holds no mapping")
    return description


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is a mapping, else an empty one. The file may hold anything."""
    return value if isinstance(value, dict) else {}
