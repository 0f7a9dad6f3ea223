"""Converts a model to ONNX and holds its answers to the framework's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from servestack_contract.settings import Input
from servestack_server.errors import StartError
from servestack_server.models.baked import build_onnx_predict, fit_shape
from servestack_server.models.check_rows import Row, check_rows
from servestack_server.models.convert import Precision, Source, describe_source
from servestack_server.models.converted import Converted, measured, one_line
from servestack_server.models.flavors.onnx import open_session
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Loaded, Predict
from servestack_server.models.not_converted import NotConvertedError
from servestack_server.models.parity import DifferentError, compare
from servestack_server.models.prune import keep_output


def convert_to_onnx(
    artifact: Artifact, native: Loaded, given: Input, example: Any, tolerance: float
) -> Converted:
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
        raise NotConvertedError(f"the model fails on its example: {one_line(error)}") from None
    try:
        return _try(source, "float", native.predict, given, rows, expected, tolerance)
    except DifferentError as first:
        try:
            return _try(source, "double", native.predict, given, rows, expected, tolerance)
        except (DifferentError, NotConvertedError):
            raise first from None


def _try(
    source: Source,
    precision: Precision,
    native: Predict,
    given: Input,
    rows: list[Row],
    expected: Any,
    tolerance: float,
) -> Converted:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the two libraries warn of each other's deprecations
            model = source.convert(precision)
        name = keep_output(model, 1 if source.scores else 0)
        graph = model.SerializeToString()
        session = open_session(graph)
        plain = build_onnx_predict(session, given, source.positions, name, "plain")
        shape = fit_shape(np.asarray(expected), np.asarray(plain(rows)))
        predict = build_onnx_predict(session, given, source.positions, name, shape)
        found = predict(rows)
    except NotConvertedError:
        raise
    except StartError as error:
        raise NotConvertedError(error.message) from None
    except Exception as error:  # converters can raise anything
        raise NotConvertedError(one_line(error)) from None
    record = {
        "precision": precision,
        "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
        "output": {"name": name, "shape": shape},
        "positions": source.positions,
        "rows": len(rows),
        "tolerance": tolerance,
        "largest_difference": compare(expected, found, tolerance=tolerance),
        "microseconds": measured(native, predict, rows),
    }
    return Converted(lambda folder: (folder / "model.onnx").write_bytes(graph), record)
