"""Reads an artifact's flavor, format and signature without loading the model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servestack.resolve.skops_types import untrusted_types
from servestack_contract.artifact import ArtifactError
from servestack_contract.loading import PICKLERS, Loading, read_loading
from servestack_contract.mlmodel import (
    FILE,
    FLAVOR_BY_SUFFIX,
    KNOWN_FLAVORS,
    mapping,
    read_mlmodel,
)
from servestack_contract.profile import FILE as PROFILE
from servestack_contract.profile import read_profile

_PICKLED = {".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt"}
_TORCH_WEIGHTS = re.compile(r"pytorch_model.*\.bin")
_OF_ONE_FRAMEWORK = {".onnx", ".xgb", ".cbm", ".keras"}
"""Suffixes of exactly one framework. A lock does not guess from any other."""
_FORMAT_BY_SUFFIX = {
    **dict.fromkeys(_PICKLED, "pickle"),
    ".skops": "skops",
    ".onnx": "onnx",
    **dict.fromkeys(
        (".json", ".ubj", ".txt", ".lgb", ".cbm", ".safetensors", ".keras", ".xgb"), "native"
    ),
}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`flavor` is MLflow's name or "". `format` is pickle, skops, onnx, native or "".

    `loading` says what loading it needs, `profile` whether the folder has a profile that can be read.
    """

    flavor: str = ""
    format: str = ""
    signature: dict[str, Any] | None = None
    loading: Loading = field(default_factory=Loading)
    profile: bool = False


def read_facts(path: Path) -> ModelFacts:
    """Return the facts of a folder with an MLmodel file, or of a bare model file."""
    if path.is_file():
        suffix = path.suffix.lower()
        flavor = FLAVOR_BY_SUFFIX[suffix] if suffix in _OF_ONE_FRAMEWORK else ""
        format = _FORMAT_BY_SUFFIX.get(suffix, "")
        return ModelFacts(flavor, format, loading=read_loading(path, untrusted_types))
    description = _description(path)
    flavors = mapping(description.get("flavors"))
    flavor = next((name for name in KNOWN_FLAVORS if name in flavors), "")
    if not flavor and "python_function" in flavors:
        flavor = "pyfunc"
    signature = _signature(description.get("signature"))
    return ModelFacts(
        flavor,
        _format(path, flavors),
        signature,
        read_loading(path, untrusted_types),
        _has_profile(path),
    )


def _has_profile(folder: Path) -> bool:
    """Whether the server can compare inputs with the model's profile. It reads the same file."""
    try:
        read_profile(folder / PROFILE)
    except ArtifactError:
        return False
    return True


def _description(folder: Path) -> dict[str, Any]:
    """Return the content of MLmodel, or an empty mapping if it cannot be read."""
    try:
        return read_mlmodel(folder / FILE)
    except ArtifactError:
        return {}


def _format(folder: Path, flavors: dict[str, Any]) -> str:
    """Return the most dangerous format of the files: one pickle makes the artifact a pickle."""
    names = {file.name.lower() for file in folder.rglob("*") if file.is_file()}
    suffixes = {Path(name).suffix for name in names}
    said = {
        str(settings.get("serialization_format"))
        for settings in flavors.values()
        if isinstance(settings, dict)
    }
    if suffixes & _PICKLED or said & PICKLERS or any(map(_TORCH_WEIGHTS.fullmatch, names)):
        return "pickle"
    for suffix in (".skops", ".onnx", ".ubj", ".xgb", ".lgb", ".cbm", ".safetensors", ".keras"):
        if suffix in suffixes:
            return _FORMAT_BY_SUFFIX[suffix]
    model_files = [file for file in folder.rglob("model.*") if file.suffix in (".json", ".txt")]
    return "native" if model_files else ""


def _signature(written: Any) -> dict[str, Any] | None:
    """Parse inputs, outputs and params, which MLflow keeps as JSON text inside the YAML."""
    if not isinstance(written, dict):
        return None
    signature = {}
    for side in ("inputs", "outputs"):
        columns = _parsed(written.get(side))
        if isinstance(columns, list) and all(map(_is_column, columns)):
            signature[side] = columns
    params = _parsed(written.get("params"))
    if isinstance(params, list) and params and all(map(_is_param, params)):
        signature["params"] = params
    return signature or None


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text or "null")
    except (TypeError, ValueError, RecursionError):
        return None


def _is_param(param: Any) -> bool:
    return isinstance(param, dict) and isinstance(param.get("name"), str)


def _is_column(column: Any) -> bool:
    if not isinstance(column, dict) or not isinstance(column.get("type"), str):
        return False
    if column["type"] != "tensor":
        return True
    tensor = column.get("tensor-spec")
    return (
        isinstance(tensor, dict)
        and isinstance(tensor.get("dtype"), str)
        and isinstance(tensor.get("shape"), list)
        and all(type(size) is int for size in tensor["shape"])
    )


def read_example(folder: Path) -> list[Any] | dict[str, Any] | None:
    """Return the first row of the model's logged example, or None without one.

    It is `[row]`, or `{"inputs": {name: [value]}}` for an example by name.

    Source: MLflow's `serving_input_example.json`, a body for its scoring server.
    """
    try:
        body = json.loads((folder / "serving_input_example.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(body, dict):
        return None
    split = body.get("dataframe_split")
    rows = (
        split.get("data") if isinstance(split, dict) else body.get("inputs", body.get("instances"))
    )
    if isinstance(rows, dict) and all(isinstance(v, list) and v for v in rows.values()):
        return {"inputs": {name: values[:1] for name, values in rows.items()}}
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list | dict | str):
        return None
    return rows[:1]
