"""The services that MLflow's cases ask: one model each, called m."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Union

import mlflow.sklearn
import numpy as np
from mlflow.models import infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property
from serving_image.tests.conformance.peers import python_models as models
from serving_image.tests.conformance.peers.services import Save, Service, inputs, python_model


def _params(**defaults: tuple[DataType, Any]) -> ParamSchema:
    return ParamSchema([ParamSpec(name, kind, value) for name, (kind, value) in defaults.items()])


def _typed(*types: str) -> list[ColSpec]:
    """A column of each type, called by its type."""
    return [ColSpec(name, name) for name in types]


def _neighbors(signature: bool = False, params: ParamSchema | None = None) -> Save:
    """K nearest neighbours on iris' first two columns, as in MLflow's tests."""

    def save_model(folder: Path) -> None:
        from sklearn.datasets import load_iris
        from sklearn.neighbors import KNeighborsClassifier

        rows, classes = load_iris(return_X_y=True)
        signed = infer_signature(rows[:, :2]) if signature else None
        if signed is not None:
            signed.params = params
        mlflow.sklearn.save_model(
            KNeighborsClassifier().fit(rows[:, :2], classes), folder, signature=signed,
            serialization_format="cloudpickle", pip_requirements=[],
        )  # fmt: skip

    return save_model


_HINTS: dict[str, Any] = {
    "ints": list[int],
    "texts": list[str],
    "booleans": list[bool],
    "floats": list[float],
    "bytes": list[bytes],
    "datetimes": list[datetime.datetime],
    "lists": list[list[str]],
    "lists-of-lists": list[list[list[str]]],
    "lists-of-objects": list[list[dict[str, str]]],
    "objects": list[dict[str, str]],
    "objects-of-ints": list[dict[str, int]],
    "objects-of-lists": list[dict[str, list[str]]],
    "unions": list[Union[int, str]],  # noqa: UP007  # as owners write it
    "any": list[Any],
    "lists-of-any": list[list[Any]],
    "pydantic": list[models.Example],
    "pydantic-nested": list[models.Nested],
}

_TEXT = DataType.string
_CHAT = ColSpec(Array(Object([Property("role", _TEXT), Property("content", _TEXT)])), "messages")
_CHAT_PARAMS = _params(
    temperature=(DataType.double, 0.5), max_tokens=(DataType.integer, 20), top_p=(DataType.double, 0.9)
)  # fmt: skip
_PERSON = Object([Property("name", _TEXT), Property("age", DataType.long, required=False)])
_PAIR = Object([Property("a", _TEXT), Property("b", _TEXT, required=False)])
_CSV = _typed("boolean", "integer", "long", "float", "double", "string")
_ALL = [*_CSV[:-1], *_typed("binary", "datetime", "string")]
_TYPED_PARAMS = _params(
    text=(_TEXT, "a"), count=(DataType.integer, 1), many=(DataType.long, 2),
    share=(DataType.double, 0.5), ratio=(DataType.float, 0.25), sure=(DataType.boolean, True),
    day=(DataType.datetime, np.datetime64("2023-07-01")),
)  # fmt: skip


def _tensor(dtype: str, shape: list[int], name: str | None = None) -> TensorSpec:
    return TensorSpec(np.dtype(dtype), tuple(shape), name)


_THREE = [_tensor("str", [-1], "a"), _tensor("float32", [-1], "b"), _tensor("int32", [-1, 3], "c")]

_MODELS: dict[str, Save] = {
    "neighbors": _neighbors(),
    "neighbors-params": _neighbors(
        signature=True, params=_params(param1=(DataType.datetime, np.datetime64("2023-07-01")))
    ),
    "all-types": python_model(models.echo, inputs(*_ALL)),
    "all-dtypes": python_model(models.dtypes, inputs(*_ALL)),
    "csv-types": python_model(models.echo, inputs(*_CSV)),
    "bad-types": python_model(
        models.echo,
        inputs(
            *(ColSpec(kind, f"bad_{kind}") for kind in ("integer", "float", "string", "boolean"))
        ),
    ),
    "dtypes": python_model(models.dtypes),
    "one": python_model(models.one),
    "letters": python_model(models.letters),
    "series": python_model(models.series),
    "mapping": python_model(models.mapping),
    "gaps": python_model(models.gaps, inputs(ColSpec("double", "a"))),
    "gaps-ignoring": python_model(models.gaps, inputs(ColSpec("double", "a"))),
    "params": python_model(
        models.with_params, inputs(ColSpec("double", "a"), params=_TYPED_PARAMS)
    ),
    "optional": python_model(
        models.records,
        inputs(
            ColSpec("double", "a"),
            ColSpec("long", "b", required=False),
            ColSpec("string", "c", required=False),
        ),
    ),
    "images": python_model(models.sizes, inputs(ColSpec("binary", "image"))),
    "one-text": python_model(models.records, inputs(ColSpec("string", "text"))),
    "chat": python_model(models.chat),
    "chat-params": python_model(models.chat, inputs(_CHAT, params=_CHAT_PARAMS)),
    "chat-one-param": python_model(
        models.chat, inputs(_CHAT, params=_params(temperature=(DataType.double, 0.5)))
    ),
    "chat-columns": python_model(
        models.chat,
        inputs(
            _CHAT,
            ColSpec("long", "max_tokens", required=False),
            ColSpec("double", "temperature", required=False),
        ),
    ),
    "completions": python_model(models.completion),
    "completions-params": python_model(
        models.completion, inputs(ColSpec("string", "prompt"), params=_CHAT_PARAMS)
    ),
    "embeddings": python_model(models.embedding),
    "embeddings-columns": python_model(models.embedding, inputs(ColSpec("string", "input"))),
    "anything-unwrapped": python_model(models.echo),
    "two-tensors": python_model(
        models.sums,
        inputs(_tensor("float64", [-1, 2], "a"), _tensor("float64", [-1, 2], "b")),
    ),
    "three-tensors": python_model(models.described, inputs(*_THREE)),
    "three-columns": python_model(
        models.records,
        inputs(ColSpec("string", "a"), ColSpec("float", "b"), ColSpec("integer", "c")),
    ),
    "cube": python_model(models.described, inputs(_tensor("float32", [-1, 3, 3]))),
    "named-cube": python_model(models.described, inputs(_tensor("float32", [-1, 3, 3], "a"))),
    "matrix": python_model(models.echo_values, inputs(_tensor("float32", [-1, 3]))),
    "query": python_model(models.records, inputs(ColSpec("string", "query"))),
    "query-array": python_model(models.records, inputs(ColSpec(Array(_TEXT), "query"))),
    "query-table": python_model(
        models.records,
        inputs(ColSpec(Array(_TEXT), "query"), ColSpec("string", "table", required=False)),
    ),
    "query-people": python_model(
        models.records,
        inputs(ColSpec(Array(_PERSON), "query"), ColSpec(Array(_TEXT), "table")),
    ),
    "query-object": python_model(
        models.records, inputs(ColSpec(_PAIR, "query"), ColSpec("string", "table"))
    ),
    "query-maps": python_model(
        models.records,
        inputs(
            ColSpec(Array(Map(_TEXT)), "query"),
            ColSpec(Map(_TEXT), "table"),
            ColSpec(Map(Array(_TEXT)), "data"),
        ),
    ),
    **{f"hint-{name}": python_model(models.echo, hint=hint) for name, hint in _HINTS.items()},
}

_IGNORING = {"chat-one-param", "embeddings-columns", "gaps-ignoring"}
"""Services whose owner lets columns be ignored that the input does not have."""

SERVICES = {
    name: Service(
        {"m": save_model}, {"input": {"unknownColumns": "ignore"}} if name in _IGNORING else {}
    )
    for name, save_model in _MODELS.items()
}
