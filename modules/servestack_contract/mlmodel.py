"""Reads the `MLmodel` file of an artifact, and maps names of bare model files to flavors.

MLflow's format: a folder with an `MLmodel` file in YAML (MLflow, "MLflow Models", storage format).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from servestack_contract.artifact import ArtifactError

FILE = "MLmodel"

SERVED_FLAVORS = (
    "sklearn", "xgboost", "lightgbm", "catboost", "onnx", "keras", "tensorflow", "pytorch",
)  # fmt: skip
"""Flavors with their own adapter. The first that a model has is used; any other is a pyfunc."""
KNOWN_FLAVORS = (*SERVED_FLAVORS, "transformers", "spark")
"""Flavors that a lock names."""

FLAVOR_BY_SUFFIX = {
    ".onnx": "onnx",
    ".skops": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".joblib": "sklearn",
    ".ubj": "xgboost",
    ".xgb": "xgboost",
    ".json": "xgboost",
    ".txt": "lightgbm",
    ".lgb": "lightgbm",
    ".cbm": "catboost",
    ".keras": "keras",
}
"""The flavor of a bare model file, by its suffix."""
AMBIGUOUS_SUFFIXES = {".json", ".txt"}
"""Suffixes that a model shares with files that describe it: any other suffix goes first."""

_MAX_BYTES = 4 << 20


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
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
        description = yaml.load(file.read_text(encoding="utf-8"), _Loader)
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
