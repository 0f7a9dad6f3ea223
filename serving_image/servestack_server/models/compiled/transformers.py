"""Steps of scikit-learn's transformers: what each of them does in `transform`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servestack_server.models.compiled.features import (
    Bins,
    Choose,
    Indicate,
    Normalize,
    Polynomial,
)
from servestack_server.models.compiled.flow import Flow, as_array, name_of
from servestack_server.models.compiled.scores import Project
from servestack_server.models.compiled.steps import (
    Arithmetic,
    Branches,
    Clip,
    Encode,
    Floats,
    Impute,
    Refuse,
    Step,
    width_after,
)
from servestack_server.models.not_converted import NotConvertedError


def transformer(part: Any, flow: Flow) -> tuple[list[Step], Flow]:
    """Return the steps of a fitted transformer, and what they give."""
    name = name_of(part)
    if part is None or part == "passthrough" or _is_identity(part):
        return [], flow
    if name == "sklearn.Pipeline":
        return chain([inner for _, inner in part.steps], flow)
    if getattr(part, "_sklearn_output_config", {}).get("transform", "default") != "default":
        raise NotConvertedError("a step answers with a DataFrame")
    if name == "sklearn.ColumnTransformer":
        return _branches(part, flow)
    if name in ("sklearn.OneHotEncoder", "sklearn.OrdinalEncoder"):
        return _encoder(part, flow)
    found = _TRANSFORMERS.get(name)
    if found is None:
        raise NotConvertedError(f"{type(part).__name__} has no plan")
    if flow.sparse:
        raise NotConvertedError(f"{type(part).__name__} of a sparse matrix has no plan")
    before, flow = as_array(flow)
    made = found(part)
    sparse = name == "sklearn.KBinsDiscretizer" and part.encode == "onehot"
    return before + made, Flow(width_after(made, flow.width), sparse=sparse)


def chain(parts: Sequence[Any], flow: Flow) -> tuple[list[Step], Flow]:
    """Return the steps of fitted transformers one after the other, and what they give."""
    steps: list[Step] = []
    for part in parts:
        made, flow = transformer(part, flow)
        steps += made
    return steps, flow


def _is_identity(part: Any) -> bool:
    """A fitted ColumnTransformer holds one for each `passthrough`."""
    return (
        name_of(part) == "sklearn.FunctionTransformer" and part.func is None and not part.validate
    )


_SCALED = (Refuse("", nan=False, infinity=True), Floats())


def _standard(part: Any) -> list[Step]:
    mean = [Arithmetic("subtract", part.mean_, cast=True)] if part.with_mean else []
    scale = [Arithmetic("divide", part.scale_, cast=True)] if part.with_std else []
    return [*_SCALED, *mean, *scale]


def _min_max(part: Any) -> list[Step]:
    clip = [Clip(*map(float, part.feature_range))] if part.clip else []
    return [
        *_SCALED, Arithmetic("multiply", part.scale_), Arithmetic("add", part.min_), *clip
    ]  # fmt: skip


def _max_abs(part: Any) -> list[Step]:
    clip = [Clip(-1.0, 1.0)] if getattr(part, "clip", False) else []
    return [*_SCALED, Arithmetic("divide", part.scale_), *clip]


def _robust(part: Any) -> list[Step]:
    center = [Arithmetic("subtract", part.center_)] if part.with_centering else []
    scale = [Arithmetic("divide", part.scale_)] if part.with_scaling else []
    return [*_SCALED, *center, *scale]


def _imputer(part: Any) -> list[Step]:
    is_plain = (
        isinstance(part.missing_values, float)
        and np.isnan(part.missing_values)
        and part.indicator_ is None
        and part.statistics_.dtype.kind == "f"
        and np.isfinite(part.statistics_).all()
        and part._fit_dtype.kind == "f"
    )
    if not is_plain:
        raise NotConvertedError("this SimpleImputer has no plan")
    return [*_SCALED, Impute(part.statistics_.astype(part._fill_dtype))]


def _pca(part: Any) -> list[Step]:
    scale = np.sqrt(part.explained_variance_) if part.whiten else np.zeros(0)
    smallest = np.finfo(scale.dtype).eps
    scale[scale < smallest] = smallest
    check = Refuse("", nan=True, infinity=True)
    return [check, Floats(), Project(part.components_, part.mean_, scale)]


def _polynomial(part: Any) -> list[Step]:
    if part._min_degree > 1 or part._max_degree < 1 or part.order != "C":
        raise NotConvertedError("these PolynomialFeatures have no plan")
    made = Polynomial(part._max_degree, part.interaction_only, part.include_bias, part._n_out_full)
    return [Refuse("", nan=True, infinity=True), Floats(), made]


def _normalizer(part: Any) -> list[Step]:
    return [Refuse("", nan=True, infinity=True), Floats(), Normalize(part.norm)]


def _bins(part: Any) -> list[Step]:
    if part.dtype is not None:
        raise NotConvertedError("a KBinsDiscretizer with a dtype has no plan")
    bins = Bins([np.asarray(edges[1:-1], dtype=np.float64) for edges in part.bin_edges_])
    steps: list[Step] = [Refuse("", nan=True, infinity=True), Floats(), bins]
    if part.encode == "ordinal":
        return steps
    counts = np.asarray(part.n_bins_, dtype=np.intp)
    return [*steps, Indicate(np.cumsum(counts) - counts, int(counts.sum()))]


def _selector(part: Any) -> list[Step]:
    from sklearn.utils import get_tags

    mask = part.get_support()
    if not mask.any():
        raise NotConvertedError("a step chooses no features")
    finite = not get_tags(part).input_tags.allow_nan
    return [Refuse("", nan=finite, infinity=finite), Choose(mask)]


_TRANSFORMERS: dict[str, Callable[[Any], list[Step]]] = {
    "sklearn.StandardScaler": _standard,
    "sklearn.MinMaxScaler": _min_max,
    "sklearn.MaxAbsScaler": _max_abs,
    "sklearn.RobustScaler": _robust,
    "sklearn.SimpleImputer": _imputer,
    "sklearn.PCA": _pca,
    "sklearn.PolynomialFeatures": _polynomial,
    "sklearn.Normalizer": _normalizer,
    "sklearn.KBinsDiscretizer": _bins,
    **dict.fromkeys(
        (
            "sklearn.VarianceThreshold", "sklearn.SelectKBest", "sklearn.SelectPercentile",
            "sklearn.SelectFpr", "sklearn.SelectFdr", "sklearn.SelectFwe",
            "sklearn.GenericUnivariateSelect", "sklearn.SelectFromModel", "sklearn.RFE",
            "sklearn.RFECV", "sklearn.SequentialFeatureSelector",
        ),
        _selector,
    ),
}  # fmt: skip


def _branches(part: Any, flow: Flow) -> tuple[list[Step], Flow]:
    positions: list[list[int]] = []
    steps: list[list[Step]] = []
    width, sparse_parts = 0, False
    for _, inner, picked in part.transformers_:
        taken = _picked(picked, flow)
        if (isinstance(inner, str) and inner == "drop") or not taken:
            continue
        own = Flow(
            len(taken),
            tuple(flow.names[at] for at in taken) if flow.names else (),
            tuple(flow.dtypes[at] for at in taken) if flow.dtypes else (),
        )
        made, out = transformer(inner, own)
        after, out = as_array(out)
        positions.append(taken)
        steps.append([*made, *after])
        width += out.width
        sparse_parts = sparse_parts or out.sparse
    return [Branches(positions, steps)], Flow(width, sparse=bool(part.sparse_output_))


def _picked(picked: Any, flow: Flow) -> list[int]:
    """Return the positions of a ColumnTransformer's columns."""
    everything = list(range(flow.width))
    if isinstance(picked, slice) and not isinstance(picked.start or picked.stop, str):
        return everything[picked]
    if isinstance(picked, str | int | np.integer):
        raise NotConvertedError("a step takes one column as a list")
    if isinstance(picked, slice) or callable(picked):
        raise NotConvertedError("the columns of a step are not named one by one")
    chosen = np.asarray(picked)
    if chosen.dtype == bool:
        return np.flatnonzero(chosen).tolist()
    if chosen.dtype.kind in "iu":
        return [everything[at] for at in chosen.tolist()]
    try:
        return [flow.names.index(str(name)) for name in chosen.tolist()]
    except ValueError:
        raise NotConvertedError("a step takes a column that is not there") from None


def _encoder(part: Any, flow: Flow) -> tuple[list[Step], Flow]:
    if getattr(part, "_infrequent_enabled", False):
        raise NotConvertedError("categories that are rare have no plan")
    categories = [column.tolist() for column in part.categories_]
    if any(value is None or value != value for column in categories for value in column):
        raise NotConvertedError("a category that stands for a missing value has no plan")
    dtype = np.dtype(part.dtype)
    if dtype.kind != "f":
        raise NotConvertedError(f"categories as {dtype} have no plan")
    if name_of(part) == "sklearn.OrdinalEncoder":
        places = [list(map(float, range(len(column)))) for column in categories]
        unknown = None if part.handle_unknown == "error" else float(part.unknown_value)
        return [Encode(categories, places, 0, unknown, dtype.name)], Flow(flow.width)
    places, width = [], 0
    dropped = part._drop_idx_after_grouping
    for at, column in enumerate(categories):
        left_out = None if dropped is None or dropped[at] is None else int(dropped[at])
        own = []
        for number in range(len(column)):
            own.append(-1.0 if number == left_out else float(width))
            width += number != left_out
        places.append(own)
    unknown = None if part.handle_unknown == "error" else -1.0
    encode = Encode(categories, places, width, unknown, dtype.name)
    return [encode], Flow(width, sparse=bool(part.sparse_output))
