"""The converted model beside an artifact: its folder, its record, and how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from servestack_contract.settings import Input
from servestack_server.models.compiled.plan import build_predict, read_plan
from servestack_server.models.flavors.onnx import build_feed, open_session
from servestack_server.models.model import Array, Loaded, Predict, Rows

Form = Literal["plan", "onnx"]
"""A plan is exact, and what `runtime: auto` asks for; ONNX is what `runtime: onnx` asks for."""


FORMAT = 2
"""Of what is written beside an artifact. One of another number is written again."""


class NotBakedError(Exception):
    """There is no converted model to use. The message says why."""


def baked_folder(folder: Path) -> Path:
    """Return the folder of the converted model. It is beside the artifact's folder, which is pinned."""
    return folder.with_name(folder.name + ".baked")


def read_record(folder: Path, digest: str, given: Input) -> dict[str, Any]:
    """Return bake.json for this artifact and these columns. Raises NotBakedError if there is none."""
    file = baked_folder(folder) / "bake.json"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotBakedError("it was not baked") from None
    except (OSError, ValueError):
        raise NotBakedError(f"{file} cannot be read") from None
    if not isinstance(record, dict) or record.get("digest") != digest:
        raise NotBakedError("the converted model is of another artifact")
    if record.get("form") not in ("plan", "onnx") or record.get("format") != FORMAT:
        raise NotBakedError(f"{file} is of another version")
    if record.get("columns") != checked_columns(given):
        raise NotBakedError("the converted model is for other columns")
    return record


def load_baked(folder: Path, digest: str, given: Input, form: Form) -> Loaded:
    """Load the converted model. Raises NotBakedError, which says why, if there is none to use."""
    record = read_record(folder, digest, given)
    if not record.get("kept"):
        raise NotBakedError(str(record.get("reason")))
    if record["form"] != form:
        raise NotBakedError("it was baked for another runtime")
    baked = baked_folder(folder)
    if form == "plan":
        plan = read_plan(baked)
        return Loaded(build_predict(plan, given), plan, record["largest_difference"])
    session = open_session(baked / "model.onnx")
    output = record["output"]
    return Loaded(
        build_onnx_predict(session, given, record["positions"], output["name"], output["shape"]),
        session,
        record["largest_difference"],
    )


def build_onnx_predict(
    session: Any, given: Input, positions: list[int] | None, output: str, shape: str
) -> Predict:
    """Return the function from rows to the one output that is used.

    `positions` are the columns that the graph takes, in its order; None for all as they are.
    `shape` is a result of `fit_shape`.
    """
    feed, run, names = build_feed(session, given, "model"), session.run, [output]
    if positions is not None:
        feed = _ordered(feed, positions)
    if shape == "flat":
        return lambda rows: run(names, feed(rows))[0].reshape(-1)
    if shape == "second":
        return lambda rows: run(names, feed(rows))[0][:, 1]
    return lambda rows: run(names, feed(rows))[0]


def fit_shape(expected: Array, found: Array) -> str:
    """Return which part of the graph's output equals the framework's answer.

    "flat" is its only column, "second" is its second column, and "plain" is the whole output.
    """
    if expected.ndim == 1 and found.ndim == 2:
        return "flat" if found.shape[1] == 1 else "second"
    return "plain"


def checked_columns(given: Input) -> list[list[Any]] | None:
    """Return what a conversion was checked on: name, type, and whether a value may be null.

    A framework may refuse a null that its conversion to ONNX answers.
    """
    if given.columns is None:
        return None
    return [[column.name, column.type, column.may_be_null] for column in given.columns]


def _ordered(
    feed: Callable[[Rows], dict[str, Array]], positions: list[int]
) -> Callable[[Rows], dict[str, Array]]:
    def ordered(rows: Rows) -> dict[str, Array]:
        return {
            name: np.ascontiguousarray(values[:, positions]) for name, values in feed(rows).items()
        }

    return ordered
