"""The Python models that the peers' tests serve, or what does the same. They are pickled by value."""

from __future__ import annotations

import datetime
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from mlflow.pyfunc import PythonModel


def model(predict: FunctionType, hint: Any = None) -> Any:
    """A PythonModel with this `predict`, for whose input and output there may be a type hint."""
    own = FunctionType(predict.__code__, predict.__globals__, "predict", predict.__defaults__)
    if hint is not None:  # MLflow reads them when the class is made.
        own.__annotations__ = {"model_input": hint, "return": hint}
    return type("Model", (PythonModel,), {"predict": own})()


def echo(self: Any, model_input: Any, params: Any = None) -> Any:
    """What came."""
    return model_input


def records(self: Any, model_input: Any, params: Any = None) -> Any:
    """What came, a frame as its records, with None for what is missing."""
    if not isinstance(model_input, pd.DataFrame):
        return model_input
    return [
        {name: None if isinstance(v, float) and np.isnan(v) else v for name, v in row.items()}
        for row in model_input.to_dict("records")
    ]


def echo_values(self: Any, model_input: Any, params: Any = None) -> Any:
    """The values of a frame as an array."""
    return np.asarray(model_input)


def dtypes(self: Any, model_input: Any, params: Any = None) -> Any:
    """The type of each column."""
    return [[str(name), str(dtype)] for name, dtype in model_input.dtypes.items()]


def one(self: Any, model_input: Any, params: Any = None) -> Any:
    """A scalar, whatever comes."""
    return 1


def letters(self: Any, model_input: Any, params: Any = None) -> Any:
    """Texts in two axes."""
    return np.array([["a", "b", "c"], ["e", "f", "g"]])


def series(self: Any, model_input: Any, params: Any = None) -> Any:
    """A Series with a name."""
    return pd.Series(np.asarray(model_input)[:, 0] * 2, name="doubled")


def mapping(self: Any, model_input: Any, params: Any = None) -> Any:
    """One object for all rows."""
    return {"mean": float(np.asarray(model_input).mean()), "rows": len(model_input)}


def gaps(self: Any, model_input: Any, params: Any = None) -> Any:
    """An answer with NaN in it."""
    return np.array([1.0, np.nan])[: len(model_input)]


def sums(self: Any, model_input: Any, params: Any = None) -> Any:
    """The sum of each row over all tensors, as two outputs are too few to tell an order."""
    return sum(
        np.asarray(value).reshape(len(value), -1).sum(axis=1) for value in model_input.values()
    )


def described(self: Any, model_input: Any, params: Any = None) -> Any:
    """The type and the shape of each tensor."""
    arrays = model_input if isinstance(model_input, dict) else {"": model_input}
    return [[name, str(value.dtype), list(value.shape)] for name, value in arrays.items()]


def with_params(self: Any, model_input: Any, params: Any = None) -> Any:
    """The params that arrive, as texts, once for each row."""
    told = {name: str(value) for name, value in (params or {}).items()}
    return [told for _ in range(len(model_input))]


def sizes(self: Any, model_input: Any, params: Any = None) -> Any:
    """How many bytes each value of the first column has."""
    return [len(value) for value in model_input.iloc[:, 0]]


def chat(self: Any, model_input: Any, params: Any = None) -> Any:
    """What a chat model answers: the contents, and what has arrived."""
    given = (
        model_input.to_dict("records")[0] if isinstance(model_input, pd.DataFrame) else model_input
    )
    said = " ".join(message["content"] for message in given["messages"])
    choices = [{"index": 0, "message": {"role": "assistant", "content": said}}]
    return {"object": "chat.completion", "choices": choices, "model_input": given, "params": params}


def completion(self: Any, model_input: Any, params: Any = None) -> Any:
    """What a completions model answers."""
    given = (
        model_input.to_dict("records")[0] if isinstance(model_input, pd.DataFrame) else model_input
    )
    return {
        "choices": [{"index": 0, "text": given["prompt"]}],
        "model_input": given,
        "params": params,
    }


def embedding(self: Any, model_input: Any, params: Any = None) -> Any:
    """What an embeddings model answers."""
    given = (
        model_input.to_dict("records")[0] if isinstance(model_input, pd.DataFrame) else model_input
    )
    found = [{"index": 0, "embedding": [0.1, 0.2, 0.3]}]
    return {"data": found, "model_input": given, "params": params}


def moments(self: Any, model_input: Any, params: Any = None) -> Any:
    """The time of now, in UTC, for each row."""
    return [datetime.datetime.now(tz=datetime.UTC) for _ in range(len(model_input))]


def halves(self: Any, model_input: Any, params: Any = None) -> Any:
    """Its numbers as float16 and as float32."""
    values = model_input["fp32_input"] if isinstance(model_input, dict) else np.asarray(model_input)
    return {"fp16_output": values.astype(np.float16), "fp32_output": values}


def row_sums(self: Any, model_input: Any, params: Any = None) -> Any:
    """The sum of each row, in an axis of its own."""
    return {"total": np.asarray(model_input).sum(axis=1, keepdims=True)}


def texts(self: Any, model_input: Any, params: Any = None) -> Any:
    """The first column's values, bytes as hex."""
    values = np.asarray(model_input).reshape(len(model_input), -1)[:, 0]
    return [value.hex() if isinstance(value, bytes) else value for value in values]


def moment_texts(self: Any, model_input: Any, params: Any = None) -> Any:
    """The dates of a column as texts."""
    return [moment.isoformat() for moment in model_input.iloc[:, 0]]


def texts_and_halves(self: Any, model_input: Any, params: Any = None) -> Any:
    """Two tensors: the texts, and the numbers as float32."""
    return {
        "str_output": np.asarray(model_input["str_input"]),
        "fp32_output": np.asarray(model_input["fp16_input"]).astype(np.float32),
    }


def example_of_protocol(self: Any, model_input: Any, params: Any = None) -> Any:
    """The tensor of the protocol's example."""
    return {"output0": np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 3.1]], dtype=np.float32)}


def twice_and_half(self: Any, model_input: Any, params: Any = None) -> Any:
    """Two outputs."""
    values = model_input["input0"] if isinstance(model_input, dict) else np.asarray(model_input)
    return {"output0": values * 2, "output1": values / 2}


def encoded(self: Any, model_input: Any, params: Any = None) -> Any:
    """An output of each kind, for two rows."""
    python = np.array([b"Python is fun", b"foo"], dtype=object)
    return {
        "int64": np.array([[1, 2], [3, 4]]),
        "int32": np.array([[1, 2], [3, 4]], dtype=np.int32),
        "fp64": np.array([1.0, 2.0]),
        "text": np.array(["foo", "bar"]),
        "gaps": np.array([2.3, np.nan]),
        "none": np.array([None, "bar"], dtype=object),
        "bytes": python,
        "lists": pd.Series([[1, 2], [3, 4, 5]]).to_numpy(),
        "objects": pd.Series([{"a": 1}, {"b": 2, "c": 3}]).to_numpy(),
    }


class Message(pydantic.BaseModel):
    role: str
    content: str


class Example(pydantic.BaseModel):
    long_field: int
    str_field: str
    bool_field: bool
    double_field: float
    any_field: Any
    optional_str: str | None = None


class Nested(pydantic.BaseModel):
    custom_field: dict[str, Any]
    messages: list[Message]
    optional_int: int | None = None
