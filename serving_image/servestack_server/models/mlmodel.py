"""What an artifact says of itself, read without loading it.

MLflow's format: a folder with an `MLmodel` file in YAML (MLflow, "MLflow Models", storage format).
A bare model file, or a folder that holds one, is taken by the end of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from servestack_server.errors import StartError, first_line

FLAVORS = (
    "sklearn", "xgboost", "lightgbm", "catboost", "onnx", "keras", "tensorflow", "pytorch",
)  # fmt: skip
"""Flavors with an adapter of their own, the first one found wins; any other is a pyfunc."""
_FLAVOR_BY_SUFFIX = {
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
_AMBIGUOUS = {".json", ".txt"}
"""Ends of names that a model shares with files that describe it: a better one goes first."""
_DATA_KEYS = {"sklearn": "pickled_model", "pytorch": "model_data", "keras": "data"}
_VERSION_KEYS = {
    "sklearn": "sklearn_version",
    "xgboost": "xgb_version",
    "lightgbm": "lgb_version",
    "catboost": "catboost_version",
    "onnx": "onnx_version",
    "keras": "keras_version",
    "tensorflow": "tf_version",
    "pytorch": "pytorch_version",
}
_MAX_MLMODEL_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """`root` is the folder (or bare file), `data` the model file, None where a flavor has none.

    `settings` are the flavor's own, `pyfunc` those of python_function. `framework_version` is the
    one the model was saved with, empty if unknown. `code` is the folder with the owner's modules.
    """

    root: Path
    flavor: str
    data: Path | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pyfunc: Mapping[str, Any] = field(default_factory=dict)
    framework_version: str = ""
    predict_fn: str = "predict"
    code: Path | None = None
    service_class: str = ""

    @property
    def model_file(self) -> Path:
        """The model file. StartError where there is none."""
        if self.data is None or not self.data.exists():
            name = self.data.name if self.data else "no file"
            raise StartError(
                f"{self.root}: the {self.flavor} model names {name} as its data, which is not there"
            )
        return self.data


def read_artifact(root: Path) -> Artifact:
    """What is at `root`. StartError for what is not a model that the server knows."""
    if root.is_file():
        return _bare(root, root)
    if not root.is_dir():
        raise StartError(f"{root}: is not there", "fetch the model first")
    if not (root / "MLmodel").is_file():
        return _bare(root, _only_model_file(root))
    description = _read_yaml(root / "MLmodel")
    flavors = _mapping(description.get("flavors"))
    pyfunc = _mapping(flavors.get("python_function"))
    flavor = next((name for name in FLAVORS if name in flavors), "pyfunc")
    settings = _mapping(flavors.get(flavor)) if flavor != "pyfunc" else pyfunc
    if flavor == "pyfunc" and not pyfunc:
        raise StartError(
            f"{root}/MLmodel: no flavor that can be served: {', '.join(sorted(flavors)) or 'none'}",
            f"log the model with one of {', '.join(FLAVORS)} or pyfunc",
        )
    servestack = _mapping(_mapping(description.get("metadata")).get("servestack"))
    data = settings.get(_DATA_KEYS.get(flavor, "data")) or pyfunc.get("data")
    code = settings.get("code") or pyfunc.get("code")
    return Artifact(
        root=root,
        flavor=flavor,
        data=_inside(root, data),
        settings=settings,
        pyfunc=pyfunc,
        framework_version=str(settings.get(_VERSION_KEYS.get(flavor, "")) or ""),
        predict_fn=str(pyfunc.get("predict_fn") or "predict"),
        code=_inside(root, code) or _code_folder(root),
        service_class=str(servestack.get("class") or ""),
    )


def _bare(root: Path, file: Path) -> Artifact:
    flavor = _FLAVOR_BY_SUFFIX.get(file.suffix.lower())
    if flavor is None:
        raise StartError(
            f"{file}: not a model that the server knows",
            f"an MLflow folder, or a file ending in {', '.join(sorted(_FLAVOR_BY_SUFFIX))}",
        )
    return Artifact(root=root, flavor=flavor, data=file, code=_code_folder(root))


def _code_folder(root: Path) -> Path | None:
    return root / "code" if (root / "code").is_dir() else None


def _only_model_file(folder: Path) -> Path:
    known = sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix.lower() in _FLAVOR_BY_SUFFIX
    )
    found = [file for file in known if file.suffix.lower() not in _AMBIGUOUS] or [
        file for file in known if file.name != "requirements.txt"
    ]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise StartError(
            f"{folder}: no MLmodel file, and not exactly one model file but {names}",
            "log the model with MLflow, or leave one model file in the folder",
        )
    return found[0]


def _inside(root: Path, name: Any) -> Path | None:
    """A path that MLmodel names, which may not lead out of the folder."""
    if not isinstance(name, str) or not name:
        return None
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise StartError(f"{root}/MLmodel: {name!r} is outside the model's folder")
    return path


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses merge keys: MLflow writes none, and nested ones take minutes to read."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        pass


def _read_yaml(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _MAX_MLMODEL_BYTES:
            raise StartError(f"{file}: larger than {_MAX_MLMODEL_BYTES >> 20} MiB")
        description = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise StartError(f"{file}: is not YAML: {first_line(error)}") from None
    if not isinstance(description, dict):
        raise StartError(f"{file}: holds no mapping")
    return description
