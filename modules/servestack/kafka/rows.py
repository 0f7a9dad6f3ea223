"""Flattens events to rows: one for each row of a request, with a column for each input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

Row = dict[str, Any]


class Json(str):
    """A text that is JSON, among values of which some are texts that are none."""

    __slots__ = ()


_MOST_POSITIONS = 512
"""Most values of a row without names that become columns; longer ones stay together."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WHOLE = frozenset({"inputs", "outputs", "params", "values", "feedback"})
_encode = msgspec.json.Encoder().encode


def rows_of(line: bytes, names: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of an event; one that has no inputs is one row.

    Attributes and scalar members have columns of their own names (`artifact_digest`). Inputs are
    `input_<name>` where a row has as many values as there are `names` (the model's columns), else
    `input_<position>`. Outputs are `output`, or `output_<name>`; a list with one output for each row
    is divided among the rows. Values that are neither scalar nor flat are JSON texts.
    """
    event = msgspec.json.decode(line)
    data = event.pop("data")
    joined = event.pop("feedback", None)
    common = {_snake(name): value for name, value in event.items()}
    for name, value in data.items():
        if name not in _WHOLE:
            common[_snake(name)] = scalar(value)
    common |= _members("param", data.get("params", {}))
    common |= _members("value", data["values"]) if "values" in data else {}
    inputs = data.get("inputs")
    count = len(inputs) if inputs else 1
    divided = {"output": data.get("outputs")}
    if joined is not None:
        common["feedback_count"] = len(joined)
        if joined:
            common["feedback_time"] = joined[-1]["time"]
            divided["feedback"] = joined[-1]["feedback"]
    elif "feedback" in data:
        common |= _members("feedback", data["feedback"])
    for number in range(count):
        row = common | {"row": number}
        if inputs:
            row |= _inputs(inputs[number], names)
        for name, value in divided.items():
            if value is not None:
                row |= _members(name, _share(value, number, count))
        yield row


def scalar(value: Any) -> Any:
    """Return a value of a column: what is no scalar becomes JSON."""
    return to_json(value) if isinstance(value, dict | list) else value


def to_json(value: Any) -> Json:
    """Return any value as JSON."""
    return value if isinstance(value, Json) else Json(_encode(value).decode())


def _snake(name: str) -> str:
    return _CAMEL.sub("_", name).lower()


def _inputs(row: Any, names: Sequence[str]) -> Row:
    if not isinstance(row, list) or any(isinstance(value, list | dict) for value in row):
        return _members("input", row)
    if len(row) == len(names):
        return {f"input_{name}" if name else "input": v for name, v in zip(names, row, strict=True)}
    if len(row) > _MOST_POSITIONS:
        return {"input": scalar(row)}
    return {f"input_{position}": value for position, value in enumerate(row)}


def _members(name: str, value: Any) -> Row:
    """Return the columns of a value: one for each member, or one."""
    if isinstance(value, dict):
        return {f"{name}_{member}": scalar(one) for member, one in value.items()}
    return {name: scalar(value)}


def _share(value: Any, number: int, count: int) -> Any:
    """Return what belongs to one of `count` rows."""
    if isinstance(value, list):
        return value[number] if len(value) == count else value
    if isinstance(value, dict) and all(
        isinstance(one, list) and len(one) == count for one in value.values()
    ):
        return {name: one[number] for name, one in value.items()}
    return value
