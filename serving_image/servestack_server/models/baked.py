"""The converted model beside an artifact: where it is, what it says, how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from servestack_contract.settings import Input
from servestack_server.models.flavors.onnx import build_feed, open_session
from servestack_server.models.model import Array, Loaded, Predict, Rows


class NotBakedError(Exception):
    """Why there is no converted model to use."""


def baked_folder(folder: Path) -> Path:
    """Beside the artifact, whose own folder is pinned."""
    return folder.with_name(folder.name + ".onnx")


def read_record(folder: Path, digest: str, given: Input) -> dict[str, Any]:
    """bake.json of this very artifact and these columns. NotBakedError where there is none."""
    file = baked_folder(folder) / "bake.json"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotBakedError("it was not baked") from None
    except (OSError, ValueError):
        raise NotBakedError(f"{file} cannot be read") from None
    if not isinstance(record, dict) or record.get("digest") != digest:
        raise NotBakedError("the one beside it is of another artifact")
    if record.get("columns") != column_names(given):
        raise NotBakedError("the one beside it is for other columns")
    return record


def load_baked(folder: Path, digest: str, given: Input) -> Loaded:
    """The converted model. NotBakedError with the reason where there is none to use."""
    record = read_record(folder, digest, given)
    if not record.get("kept"):
        raise NotBakedError(str(record.get("reason")))
    session = open_session(baked_folder(folder) / "model.onnx")
    output = record["output"]
    return Loaded(
        build_predict(session, given, record["positions"], output["name"], output["shape"]),
        session,
    )


def build_predict(
    session: Any, given: Input, positions: list[int] | None, output: str, shape: str
) -> Predict:
    """Rows to the one output that is used. `shape` is one of `fit_shape`."""
    feed, run, names = build_feed(session, given, "model"), session.run, [output]
    if positions is not None:
        feed = _ordered(feed, positions)
    if shape == "flat":
        return lambda rows: run(names, feed(rows))[0].reshape(-1)
    if shape == "second":
        return lambda rows: run(names, feed(rows))[0][:, 1]
    return lambda rows: run(names, feed(rows))[0]


def fit_shape(expected: Array, found: Array) -> str:
    """How the graph's output becomes what the framework answers: one column of it or all."""
    if expected.ndim == 1 and found.ndim == 2:
        return "flat" if found.shape[1] == 1 else "second"
    return "plain"


def column_names(given: Input) -> list[str] | None:
    """The columns that a converted model was made for."""
    return None if given.columns is None else [column.name for column in given.columns]


def _ordered(
    feed: Callable[[Rows], dict[str, Array]], positions: list[int]
) -> Callable[[Rows], dict[str, Array]]:
    def ordered(rows: Rows) -> dict[str, Array]:
        return {
            name: np.ascontiguousarray(values[:, positions]) for name, values in feed(rows).items()
        }

    return ordered
