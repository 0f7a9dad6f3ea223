"""What passes from one estimator of a pipeline to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from servestack_server.models.arrays import common_dtype
from servestack_server.models.compiled.steps import Stack, Step
from servestack_server.models.not_converted import NotConvertedError


@dataclass(frozen=True)
class Flow:
    """What a step gets: an array of `width` features, or one array for each column.

    `names` are the columns' names and `dtypes` their types (object: text), both empty for an array.
    `sparse`: the framework holds a sparse matrix here.
    """

    width: int
    names: tuple[str, ...] = ()
    dtypes: tuple[np.dtype[Any], ...] = ()
    sparse: bool = False


def name_of(estimator: Any) -> str:
    kind = type(estimator)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def as_array(flow: Flow) -> tuple[list[Step], Flow]:
    """Put columns together, as a framework does with a DataFrame."""
    if not flow.dtypes:
        return [], flow
    if any(dtype.kind == "O" for dtype in flow.dtypes):
        raise NotConvertedError("a step takes text as numbers")
    dtype = common_dtype(list(flow.dtypes))
    return [Stack(dtype.name)], Flow(flow.width)


def only_predict(model: Any, proba: bool) -> None:
    """Raise NotConvertedError if the probabilities of such a model are asked for."""
    if proba:
        raise NotConvertedError(f"predict_proba of {type(model).__name__} has no plan")
