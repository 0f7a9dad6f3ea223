"""Converts a model to ONNX beside its artifact, if that gives the same answers faster."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from servestack_contract.settings import Column, Input, Tensor, Trust
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.models.baked import (
    NotBakedError,
    baked_folder,
    build_predict,
    checked_columns,
    fit_shape,
    read_record,
)
from servestack_server.models.check_rows import Row, check_rows
from servestack_server.models.convert import NotConvertedError, Precision, Source, describe_source
from servestack_server.models.flavors.onnx import open_session
from servestack_server.models.load import load_native
from servestack_server.models.mlmodel import Artifact, read_artifact
from servestack_server.models.model import Loaded, Predict
from servestack_server.models.parity import DifferentError, compare, microseconds
from servestack_server.models.prune import keep_output

_VERSIONS_OF = {
    "sklearn": ("scikit-learn", "skl2onnx"),
    "xgboost": ("xgboost-cpu", "xgboost", "onnxmltools"),
    "lightgbm": ("lightgbm", "onnxmltools"),
}
_SIZES = (1, 16)
"""Number of rows of a single request and of a batch. The speed is measured on both."""


@dataclass(frozen=True, slots=True)
class _Converted:
    """A graph that gives the same answers as the original."""

    graph: bytes
    record: dict[str, Any]


def bake(
    folder: Path,
    *,
    columns: tuple[Column, ...] | None,
    tensor: Tensor | None,
    example: Any,
    trust: Trust,
    required: bool,
    say: Callable[[str], None],
) -> bool:
    """Write `<folder>.onnx/` with the converted model, or with the reason why there is none.

    `example` is a body in any form of a request, or None. `say` gets lines for a log. Returns
    whether ONNX will be used. Without `required`, a conversion that is impossible, differs or is
    slower is not an error. Raises StartError if the spec does not trust the artifact or it cannot
    be read; with `required` also if it cannot be converted, or the answers differ.
    """
    artifact = read_artifact(folder)
    if artifact.flavor == "onnx":
        return True
    given = Input(columns=columns, tensor=tensor)
    digest = digest_of(folder)
    record = _known(folder, digest, given, artifact.flavor)
    if record is None or (required and not record["kept"]):
        record = _bake(artifact, given, digest, example, trust, required)
    if record["kept"]:
        speed = record["microseconds"]
        say(
            f"{folder.name}: served by ONNX: one row in {speed['onnx'][0]} us, natively {speed['native'][0]} us"
        )
        return True
    tell_refusal(folder.name, record["reason"], required=required, say=say)
    return False


def tell_refusal(name: str, reason: str, *, required: bool, say: Callable[[str], None]) -> None:
    """Say why a model is not converted. Raises StartError instead if it is required."""
    if required:
        raise StartError(f"{name}: cannot be converted to ONNX: {reason}", "set runtime: auto")
    say(f"{name}: served natively, not by ONNX: {reason}")


def _bake(
    artifact: Artifact, given: Input, digest: str, example: Any, trust: Trust, required: bool
) -> dict[str, Any]:
    native = load_native(artifact, given, trust)
    record = _describe(artifact, given, digest)
    graph = b""
    try:
        converted = _convert(artifact, native, given, example)
        record |= converted.record
        speed = record["microseconds"]
        if not required and any(
            onnx >= own for onnx, own in zip(speed["onnx"], speed["native"], strict=True)
        ):
            raise NotConvertedError("it would not be faster")
        graph = converted.graph
        record["kept"] = True
    except (NotConvertedError, DifferentError) as reason:
        record |= {"kept": False, "reason": str(reason)}
    _write(baked_folder(artifact.root), graph, record)
    return record


def write_refusal(folder: Path, given: Input, reason: str) -> None:
    """Note that the model at `folder` is not converted, and why, as `bake` does.

    Raises StartError if the artifact cannot be read.
    """
    record = _describe(read_artifact(folder), given, digest_of(folder))
    _write(baked_folder(folder), b"", record | {"kept": False, "reason": reason})


def _describe(artifact: Artifact, given: Input, digest: str) -> dict[str, Any]:
    """Return the part of a record that says of what it is."""
    return {
        "digest": digest,
        "columns": checked_columns(given),
        "versions": _versions(artifact.flavor),
    }


def _convert(artifact: Artifact, native: Loaded, given: Input, example: Any) -> _Converted:
    """Convert in float32, or in float64 if the answers differ.

    Raises DifferentError if both differ, NotConvertedError if the model cannot be converted.
    """
    source = describe_source(artifact, native.native, given)
    rows = check_rows(artifact.root, example, given.columns)
    if not rows:
        raise NotConvertedError("there is no example to compare the answers on")
    try:
        expected = native.predict(rows)
    except Exception as error:  # the framework can raise anything
        raise NotConvertedError(f"the model fails on its example: {_line(error)}") from None
    try:
        return _try(source, "float", native.predict, given, rows, expected)
    except DifferentError as first:
        try:
            return _try(source, "double", native.predict, given, rows, expected)
        except (DifferentError, NotConvertedError):
            raise first from None


def _try(
    source: Source,
    precision: Precision,
    native: Predict,
    given: Input,
    rows: list[Row],
    expected: Any,
) -> _Converted:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the two libraries warn of each other's deprecations
            model = source.convert(precision)
        name = keep_output(model, 1 if source.scores else 0)
        graph = model.SerializeToString()
        session = open_session(graph)
        plain = build_predict(session, given, source.positions, name, "plain")
        shape = fit_shape(np.asarray(expected), np.asarray(plain(rows)))
        predict = build_predict(session, given, source.positions, name, shape)
        found = predict(rows)
    except NotConvertedError:
        raise
    except StartError as error:
        raise NotConvertedError(error.message) from None
    except Exception as error:  # converters can raise anything
        raise NotConvertedError(_line(error)) from None
    record = {
        "precision": precision,
        "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
        "output": {"name": name, "shape": shape},
        "positions": source.positions,
        "rows": len(rows),
        "largest_difference": compare(expected, found),
        "microseconds": {
            "rows": list(_SIZES),
            "native": [microseconds(native, rows[:size]) for size in _SIZES],
            "onnx": [microseconds(predict, rows[:size]) for size in _SIZES],
        },
    }
    return _Converted(graph, record)


def _known(folder: Path, digest: str, given: Input, flavor: str) -> dict[str, Any] | None:
    """Return the record of an earlier bake of the same artifact with the same packages, if any."""
    try:
        record = read_record(folder, digest, given)
    except NotBakedError:
        return None
    return record if record.get("versions") == _versions(flavor) else None


def _versions(flavor: str) -> dict[str, str]:
    found = {}
    for package in (*_VERSIONS_OF.get(flavor, ()), "onnx", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write(folder: Path, graph: bytes, record: dict[str, Any]) -> None:
    """Write the folder in one step, so that it is complete or absent."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        temporary.chmod(0o755)
        if graph:
            (temporary / "model.onnx").write_bytes(graph)
        text = json.dumps(record, indent=2, sort_keys=True)
        (temporary / "bake.json").write_text(text + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
