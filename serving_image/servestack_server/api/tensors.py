"""Tensors of the Open Inference Protocol: as JSON, or as raw bytes after the JSON part.

Source: https://github.com/kserve/open-inference-protocol (HTTP/REST), and Triton's extension
"binary tensor data": the length of the JSON part is in Inference-Header-Content-Length, and the
raw tensors follow it in order, little-endian. Each string has its length before it, in four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import NoneType
from typing import Annotated, Any

import msgspec
import numpy as np

from servestack_contract.values import from_base64
from servestack_contract.wrong_values import WrongValueError
from servestack_server.http.response import encode_any
from servestack_server.input.datatypes import DTYPES, datatype_of_dtype
from servestack_server.input.problems import invalid, refused

Shape = Annotated[
    list[Annotated[int, msgspec.Meta(ge=0, le=2**31)]], msgspec.Meta(min_length=1, max_length=16)
]
"""The type of a tensor's shape in a request."""


def datatype_of(array: np.ndarray) -> str:
    """Return the protocol's data type of an array; BYTES if it is neither a number nor a boolean."""
    return datatype_of_dtype(array.dtype.name)


def from_json(data: Any, datatype: str, shape: list[int], name: str) -> np.ndarray:
    """Make an array from nested or flat lists.

    null is NaN in a tensor of floats; with null among other values the array holds Python's own. 0 and
    1 are booleans, as they are in binary data. `name` is the tensor's, for messages. Raises RequestError (422) if the values do not fit the type
    or the shape.
    """
    kinds = _kinds(data)
    if data is None or (datatype != "BYTES" and not kinds <= _KINDS.get(datatype[:2], _WHOLE)):
        raise invalid("wrong_type", f"the data is not {datatype}", field=name)
    try:
        with np.errstate(over="raise"):
            if datatype == "BOOL" and int in kinds:
                data = _as_booleans(data)
            if NoneType not in kinds or datatype in _NULLABLE:
                array = np.array(data, dtype=DTYPES[datatype])
            else:
                array = _with_nulls(data, datatype)
    except (OverflowError, FloatingPointError):
        message = f"a number is out of the range of {datatype}"
        raise invalid("out_of_range", message, field=name) from None
    except (ValueError, TypeError):
        raise invalid("wrong_type", f"the data is not {datatype}", field=name) from None
    return shaped(array, shape, name)


_WHOLE = {int, NoneType}
_KINDS: dict[str, set[type]] = {"BO": {bool, int, NoneType}, "FP": {int, float, NoneType}}
"""The types of values by the first letters of the data type; _WHOLE for all others but BYTES."""
_NULLABLE = ("FP16", "FP32", "FP64", "BYTES")


def _kinds(data: Any) -> set[type]:
    """Return the types of all values. numpy would read `true` as 1, "5" as 5.0 and 1.5 as 1, which
    hides a caller's mistake."""
    kinds: set[type] = set()
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            waiting.extend(value)
        else:
            kinds.add(type(value))
    return kinds


def _as_booleans(data: Any) -> np.ndarray:
    """Return an array of objects with booleans for 0 and 1. Raises ValueError for another number."""
    values = np.array(data, dtype=object)
    if any(value not in (0, 1, None) for value in values.flat):
        raise ValueError
    return _each(values, lambda value: value if value is None else bool(value))


def _with_nulls(data: Any, datatype: str) -> np.ndarray:
    """Return an array of objects, of which the others than None are in the data type's range."""
    values = np.array(data, dtype=object)
    filled = values.copy()
    filled[values == np.array(None)] = 0
    filled.astype(DTYPES[datatype])
    return values


def from_bytes(raw: bytes, datatype: str, shape: list[int], name: str) -> np.ndarray:
    """Make an array from its raw bytes, which are little-endian.

    Elements of BYTES are bytes. Raises RequestError (422) if the bytes do not fit the type or the
    shape.
    """
    if datatype == "BYTES":
        return shaped(np.fromiter(_elements(raw, name), dtype=object), shape, name)
    dtype = np.dtype(DTYPES[datatype]).newbyteorder("<")
    if len(raw) % dtype.itemsize:
        raise invalid("wrong_length", f"{len(raw)} bytes do not divide into {datatype}", field=name)
    return shaped(np.frombuffer(raw, dtype=dtype), shape, name)


def _elements(raw: bytes, name: str) -> list[bytes]:
    elements, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise invalid("wrong_length", "the length of a string is cut off", field=name)
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise invalid("wrong_length", "a string is cut off", field=name)
        elements.append(raw[at : at + length])
        at += length
    return elements


def with_content_type(array: np.ndarray, content_type: Any, name: str) -> np.ndarray:
    """Read elements of BYTES as MLServer's `content_type` says.

    base64: their bytes are encoded. str: text, also for a column of binary values. Without it bytes
    are taken as they are, and text of JSON as its column wants it. All other content types say what
    a framework gets, which the model's input decides here. Source: mlserver/codecs of MLServer 1.7.
    Raises RequestError (422) for text that is no base64.
    """
    if array.dtype != object or content_type not in ("base64", "str"):
        return array
    return _each(array, lambda value: _read(value, content_type, name))


def _read(value: Any, content_type: str, name: str) -> Any:
    if content_type == "str":
        return value.encode() if isinstance(value, str) else value
    if not isinstance(value, str | bytes):
        return value
    try:
        return from_base64(value if isinstance(value, str) else value.decode("latin-1"))
    except WrongValueError as error:
        raise refused(error, name) from None


def as_text(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array with text for bytes. Raises RequestError (422) for bytes that are not UTF-8."""
    if array.dtype != object or not any(isinstance(value, bytes) for value in array.flat):
        return array
    try:
        return _each(array, lambda v: v.decode() if isinstance(v, bytes) else v)
    except UnicodeDecodeError:
        raise invalid("wrong_type", "a string is not UTF-8", field=name) from None


def _each(array: np.ndarray, change: Callable[[Any], Any]) -> np.ndarray:
    changed = np.fromiter((change(value) for value in array.flat), dtype=object)
    return changed.reshape(array.shape)


def to_bytes(array: np.ndarray) -> bytes:
    """Return the raw bytes of an array, little-endian."""
    if datatype_of(array) != "BYTES":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    parts = [
        value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
        for value in array.ravel()
    ]
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def shaped(array: np.ndarray, shape: list[int], name: str) -> np.ndarray:
    """Return the array in a shape of `Shape`. Raises RequestError (422) if it does not fit."""
    count = 1
    for size in shape:
        count *= size
    if array.size != count:
        raise invalid(
            "wrong_shape", f"{array.size} values do not make the shape {shape}", field=name
        )
    if not count and shape[0]:
        # A request of a hundred bytes could make the server hold a list for each of 2**31 rows.
        raise invalid("wrong_shape", "the tensor has rows without values", field=name)
    try:
        return array.reshape(shape)
    except ValueError:  # The array is empty, but another axis is too large.
        raise invalid("wrong_shape", f"the shape {shape} is too large", field=name) from None


def named_arrays(outputs: Any) -> dict[str, np.ndarray]:
    """Return a model's outputs by name. An output without a name is called predictions."""
    if isinstance(outputs, dict):
        return {name: _array(values) for name, values in outputs.items()}
    return {"predictions": _array(outputs)}


def _array(values: Any) -> np.ndarray:
    """Return values as an array of numbers, truths or, with an object for each, elements of BYTES."""
    array = values if isinstance(values, np.ndarray) else _of_list(values)
    if array.dtype.kind == "M":
        return np.datetime_as_string(array)
    if array.dtype != object:
        return array
    elements = np.empty(array.size, dtype=object)
    elements[:] = [_element(value) for value in array.flat]
    return elements.reshape(array.shape)


def _of_list(values: Any) -> np.ndarray:
    try:
        array = np.array(values)
    except ValueError:
        array = np.empty(0)
    if len(array) == len(values) and array.dtype.kind in "biuf":
        return array
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _element(value: Any) -> str | bytes | None:
    """Return a value as an element of BYTES: a list or an object as JSON, as MLServer gives it.

    The protocol has only numbers, texts and truths in a tensor. A missing text stays null.
    """
    if value is None or isinstance(value, str | bytes):
        return value
    if isinstance(value, int | float | bool | list | dict | tuple | np.ndarray):
        return encode_any(value).decode()
    return encode_any(value).decode().strip('"')  # a date in its ISO form
