"""Turns what a model returns into plain values of JSON, as MLflow's own server writes them.

Source: `_get_jsonable_obj` and `NumpyEncoder` of mlflow/utils/proto_json_utils.py (MLflow 3.17):
frames and series are lists of records, dates are ISO 8601, bytes are base64 with line ends. What MLflow
cannot write has a form here as well: a missing value (NaN, NaT, NA) and infinity are null, a Decimal
is text, a sparse matrix is a dense one, a duration is ISO 8601, an iterator is a list.

Knows numpy, pandas, scipy and tensors by what their objects can do, so that it imports none of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

_MOST_ITEMS = 1_000_000
"""Longest iterator that is read: one without an end must not take all memory."""
_MISSING = ("NaTType", "NAType")
_NUMBERS = "biuf"


class NoFormError(Exception):
    """A value has no form in JSON. The message names its type."""


def plain(answer: Any) -> Any:
    """Return an answer of any type as values that `encode_json` takes.

    Raises NoFormError if it holds a value that has no form in JSON, and what an iterator raises.
    """
    if _is_frame(answer):
        return records(answer)
    if _is_series(answer):
        return records(answer.to_frame())
    return _value(answer)


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a DataFrame as mappings by column name. Of two columns the last counts."""
    names = [_key(name) for name in frame.columns]
    columns = [column_values(frame.iloc[:, at]) for at in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def column_values(series: Any) -> list[Any]:
    """Return the values of a Series."""
    values: list[Any] = series.tolist()
    is_plain = not hasattr(series.dtype, "na_value") and series.dtype.kind in _NUMBERS
    return values if is_plain else [_value(value) for value in values]


def unknown(value: Any) -> Any:
    """Return a value of a type that the JSON encoder does not know, for its `enc_hook`.

    Raises NoFormError if it has no form in JSON.
    """
    if hasattr(value, "tolist"):
        found = value.tolist()
        if type(found) is not type(value):
            return found
    return _value(value)


def _value(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value)
    if kind is float or kind is bool or value is None:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**64 else msgspec.Raw(str(value).encode())
    if kind is list or kind is tuple:
        return [_value(item) for item in value]
    if isinstance(value, Mapping):
        return {_key(key): _value(item) for key, item in value.items()}
    if kind.__name__ in _MISSING:
        return None
    if any(hasattr(value, name) for name in ("dtype", "tolist", "toarray", "iloc")):
        return _of_arrays(value)
    return _of_python(value)


def _of_arrays(value: Any) -> Any:
    """Convert a frame, series, array, scalar of numpy, sparse matrix or tensor."""
    if _is_frame(value):
        return records(value)
    if _is_series(value):
        return column_values(value)
    if hasattr(value, "toarray"):
        return _value(value.toarray())
    kind = getattr(value.dtype, "kind", "") if hasattr(value, "dtype") else ""
    if kind == "c":
        raise NoFormError("a complex number has no form in JSON")
    if kind == "f" and value.dtype.itemsize > 8:
        value = value.astype("float64")
    if kind and kind in "mM" and getattr(value, "ndim", 0):
        return _without_nat(value)
    if hasattr(value, "tolist"):
        values = value.tolist()
        return values if kind and kind in _NUMBERS else _value(values)
    if hasattr(value, "numpy"):
        return _value(value.numpy())
    raise _no_form(value)


def _without_nat(times: Any) -> Any:
    """Convert times: nanoseconds to whole numbers as MLflow does, others to text; NaT to None."""
    if times.ndim > 1:
        return [_without_nat(part) for part in times]
    missing = (times != times).tolist()
    return [
        None if gone else _value(item) for item, gone in zip(times.tolist(), missing, strict=True)
    ]


def _of_python(value: Any) -> Any:
    if isinstance(value, Enum):
        return _value(value.value)
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.encodebytes(bytes(value)).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return msgspec.to_builtins(timedelta(value.days, value.seconds, value.microseconds))
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, int | float):
        return _value(int(value) if isinstance(value, int) else float(value))
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "model_dump"):  # pydantic
        return _value(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return _value(vars(value))
    if isinstance(value, Iterable):
        return _listed(value)
    raise _no_form(value)


def _listed(items: Iterable[Any]) -> list[Any]:
    found = [_value(item) for item in islice(items, _MOST_ITEMS + 1)]
    if len(found) > _MOST_ITEMS:
        raise NoFormError(f"an answer of more than {_MOST_ITEMS:,} items is not read")
    return found


def _text(text: str) -> str:
    """Return the text with half a surrogate pair replaced: UTF-8 cannot hold it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _key(key: Any) -> str:
    """Return the name of a member. Source: Python's json module, which MLflow's server uses."""
    if isinstance(key, str):
        return _text(key)
    if hasattr(key, "item"):
        key = key.item()
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    return str(key)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "iloc") and getattr(value, "ndim", 0) == 2


def _is_series(value: Any) -> bool:
    return hasattr(value, "iloc") and getattr(value, "ndim", 0) == 1


def _no_form(value: Any) -> NoFormError:
    return NoFormError(f"{type(value).__name__} has no form in JSON")
