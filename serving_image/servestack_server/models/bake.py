"""Converts a model beside its artifact: to a plan of its arithmetic, or to ONNX if that is required."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from servestack_contract.settings import Column, Input, Tensor, Trust
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.models.baked import (
    FORMAT,
    Form,
    NotBakedError,
    baked_folder,
    checked_columns,
    read_record,
)
from servestack_server.models.check_rows import Row, check_rows
from servestack_server.models.columns import TEXTUAL
from servestack_server.models.compiled.check import check_alike, edge_rows
from servestack_server.models.compiled.compile import compile_model
from servestack_server.models.compiled.edges import edges_of
from servestack_server.models.compiled.plan import Plan, build_predict, write_plan
from servestack_server.models.converted import Converted, Writer, measured, one_line
from servestack_server.models.load import load_native
from servestack_server.models.mlmodel import Artifact, read_artifact
from servestack_server.models.model import Loaded
from servestack_server.models.not_converted import NotConvertedError
from servestack_server.models.parity import TOLERANCE, DifferentError
from servestack_server.models.to_onnx import convert_to_onnx

_VERSIONS_OF = {
    "sklearn": ("scikit-learn", "skl2onnx"),
    "xgboost": ("xgboost-cpu", "xgboost", "onnxmltools"),
    "lightgbm": ("lightgbm", "onnxmltools"),
}


def bake(
    folder: Path,
    *,
    columns: tuple[Column, ...] | None,
    tensor: Tensor | None,
    example: Any,
    trust: Trust,
    required: bool,
    say: Callable[[str], None],
    tolerance: float = TOLERANCE,
) -> bool:
    """Write `<folder>.baked/` with the converted model, or with the reason why there is none.

    `required`: to ONNX, by a converter whose answers may differ in the last digits. Otherwise to a
    plan, which never changes an answer, and a model that has none is no error.
    `tolerance` is that of ONNX, relative. `example` is a body in any form of a request, or None.
    `say` gets lines for a log. Returns whether the converted model will be used. Raises StartError
    if the spec does not trust the artifact or it cannot be read; with `required` also if it cannot
    be converted, or the answers differ.
    """
    artifact = read_artifact(folder)
    if artifact.flavor == "onnx":
        return True
    given = Input(columns=columns, tensor=tensor)
    digest = digest_of(folder)
    form: Form = "onnx" if required else "plan"
    record = _known(folder, digest, given, artifact.flavor, form)
    if record is not None and required and record.get("tolerance") != tolerance:
        record = None
    if record is None or (required and not record["kept"]):
        record = _bake(artifact, given, digest, example, trust, form, tolerance)
    if record["kept"]:
        speed, how = record["microseconds"], "by ONNX" if required else "compiled"
        say(
            f"{folder.name}: served {how}: one row in {speed['converted'][0]} us, natively "
            f"{speed['native'][0]} us; largest difference {record['largest_difference']:.3g} "
            f"in {record['rows']} rows"
        )
        return True
    tell_refusal(folder.name, record["reason"], required=required, say=say)
    return False


def tell_refusal(name: str, reason: str, *, required: bool, say: Callable[[str], None]) -> None:
    """Say why a model is not converted. Raises StartError instead if it is required."""
    if required:
        raise StartError(f"{name}: cannot be converted to ONNX: {reason}", "set runtime: auto")
    say(f"{name}: served natively: {reason}")


def _bake(
    artifact: Artifact,
    given: Input,
    digest: str,
    example: Any,
    trust: Trust,
    form: Form,
    tolerance: float,
) -> dict[str, Any]:
    native = load_native(artifact, given, trust)
    record = _describe(artifact, given, digest, form)
    write = None
    try:
        if form == "onnx":
            converted = convert_to_onnx(artifact, native, given, example, tolerance)
        else:
            converted = _compile(artifact, native, given, example)
        record |= converted.record | {"kept": True}
        write = converted.write
    except (NotConvertedError, DifferentError) as reason:
        record |= {"kept": False, "reason": str(reason)}
    _write(baked_folder(artifact.root), write, record)
    return record


def _compile(artifact: Artifact, native: Loaded, given: Input, example: Any) -> Converted:
    """Compile to a plan. Raises NotConvertedError if there is none.

    Raises DifferentError if it answers otherwise, which is a fault of the plan. Its speed is told and
    decides nothing, so that all pods of a version serve it alike.
    """
    plan = compile_model(artifact, native.native, given)
    rows = check_rows(artifact.root, example, given.columns) or [_zeros(given, plan)]
    rows += edge_rows(rows, edges_of(plan), given.columns)
    predict = build_predict(plan, given)
    largest = check_alike(
        native.predict, predict, rows, given.columns, at_most=(plan.library_rows or 0) - 1
    )
    try:
        speed = measured(native.predict, predict, rows)
    except Exception as error:  # the framework can raise anything
        raise NotConvertedError(f"the model fails on its example: {one_line(error)}") from None
    record = {"rows": len(rows), "largest_difference": largest, "microseconds": speed}
    return Converted(lambda folder: write_plan(plan, folder), record)


def _zeros(given: Input, plan: Plan) -> Row:
    """Return a row to start from where there is no example."""
    if any(column.type in TEXTUAL for column in given.columns or ()):
        raise NotConvertedError("there is no example to compare the answers on")
    return (0,) * plan.width


def write_refusal(folder: Path, given: Input, reason: str, *, required: bool) -> None:
    """Note that the model at `folder` is not converted, and why, as `bake` does.

    Raises StartError if the artifact cannot be read.
    """
    form: Form = "onnx" if required else "plan"
    record = _describe(read_artifact(folder), given, digest_of(folder), form)
    record |= {"kept": False, "reason": reason}
    _write(baked_folder(folder), None, record)


def _describe(artifact: Artifact, given: Input, digest: str, form: Form) -> dict[str, Any]:
    """Return the part of a record that says of what it is."""
    return {
        "form": form,
        "format": FORMAT,
        "digest": digest,
        "columns": checked_columns(given),
        "versions": _versions(artifact.flavor),
    }


def _known(
    folder: Path, digest: str, given: Input, flavor: str, form: Form
) -> dict[str, Any] | None:
    """Return the record of an earlier bake of the same artifact with the same packages, if any."""
    try:
        record = read_record(folder, digest, given)
    except NotBakedError:
        return None
    is_current = record["form"] == form and record.get("versions") == _versions(flavor)
    return record if is_current else None


def _versions(flavor: str) -> dict[str, str]:
    found = {}
    for package in (*_VERSIONS_OF.get(flavor, ()), "numpy", "onnx", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write(folder: Path, write: Writer | None, record: dict[str, Any]) -> None:
    """Write the folder in one step, so that it is complete or absent."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        temporary.chmod(0o755)
        if write is not None:
            write(temporary)
        text = json.dumps(record, indent=2, sort_keys=True)
        (temporary / "bake.json").write_text(text + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
