"""Rules between the fields of a model's input: columns, example, batching, redaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from servestack.spec.api import Column, NamedTensor
from servestack.spec.faults import Fault
from servestack.spec.model_service import ModelService

_NUMERIC = {"integer", "long", "float", "double"}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "string": (str,),
    "binary": (str,),
    "datetime": (str,),
}
_COLUMNS = ("api", "input", "columns")
_EXAMPLE = ("api", "input", "example")


def input_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield the faults of `api.input` and of the fields that refer to its columns."""
    given = spec.api.input
    written = [
        name for name in ("columns", "tensor", "tensors") if getattr(given, name) is not None
    ]
    for name in written[1:]:
        yield Fault(
            "SRV136",
            ("api", "input", name),
            f"cannot be set together with {written[0]}",
            "keep one of the two",
            (("api", "input", written[0]),),
        )
    yield from _repeated_names("tensors", given.tensors or ())
    if given.columns is not None:
        yield from _column_faults(given.columns)
        yield from _redaction_faults(spec, given.columns)
        if given.example is not None:
            yield from _example_faults(given.example, given.columns)
    yield from _batch_faults(spec)


def _repeated_names(field: str, inputs: Sequence[Column | NamedTensor]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, one in enumerate(inputs):
        if one.name in seen:
            yield Fault(
                "SRV136",
                ("api", "input", field, index, "name"),
                f"{one.name!r} is also the name of {field}[{seen[one.name]}]",
                f"give each {field.removesuffix('s')} a different name",
            )
        seen.setdefault(one.name, index)


def _column_faults(columns: Sequence[Column]) -> Iterator[Fault]:
    yield from _repeated_names("columns", columns)
    for index, column in enumerate(columns):
        path = (*_COLUMNS, index)
        bounded = "minimum" if column.minimum is not None else "maximum"
        if column.type not in _NUMERIC and (column.minimum, column.maximum) != (None, None):
            yield Fault(
                "SRV136",
                (*path, bounded),
                f"does not fit type {column.type}",
                "only numbers have bounds; use enum for text",
                ((*path, "type"),),
            )
        low, high = column.minimum, column.maximum
        if low is not None and high is not None and low > high:
            yield Fault(
                "SRV136",
                (*path, "minimum"),
                f"{low:g} is above maximum {high:g}",
                "swap the two",
                ((*path, "maximum"),),
            )
        for at, value in enumerate(column.enum or ()):
            if not _fits(value, column):
                yield Fault(
                    "SRV136",
                    (*path, "enum", at),
                    f"{value!r} is not of type {column.type}",
                    "write values of the column's type",
                    ((*path, "type"),),
                )


def _fits(value: Any, column: Column) -> bool:
    if value is None:
        return column.nullable or not column.required
    if isinstance(value, bool):
        return column.type == "boolean"
    return isinstance(value, _PYTHON_TYPES[column.type])


def _example_faults(example: Any, columns: Sequence[Column]) -> Iterator[Fault]:
    """Yield the faults of example rows: lists by position, or mappings by column name."""
    if not isinstance(example, (list, tuple)) or not example:
        return
    for index, row in enumerate(example):
        path = (*_EXAMPLE, index)
        if isinstance(row, (list, tuple)):
            if len(row) != len(columns):
                yield Fault(
                    "SRV137",
                    path,
                    f"has {len(row)} values for {len(columns)} columns",
                    "write one value for each column, in their order",
                    (_COLUMNS,),
                )
                continue
            pairs = list(zip(columns, row, strict=True))
        elif isinstance(row, dict):
            by_name = {column.name: column for column in columns}
            for name in row.keys() - by_name.keys():
                yield Fault(
                    "SRV137",
                    (*path, str(name)),
                    "is not a column",
                    f"the columns are {', '.join(by_name)}",
                    (_COLUMNS,),
                )
            pairs = [(column, row.get(name)) for name, column in by_name.items()]
        else:
            yield Fault(
                "SRV137", path, "is not a row", "write a list of rows: [[5.1, 3.5, 1.4, 0.2]]"
            )
            continue
        for column, value in pairs:
            if not _fits(value, column) or not _in_range(value, column):
                yield Fault(
                    "SRV137",
                    path,
                    f"{value!r} does not fit column {column.name!r}",
                    "write an example that the model's input allows",
                    (_COLUMNS,),
                )


def _in_range(value: Any, column: Column) -> bool:
    if value is None:
        return True
    if column.enum is not None and value not in column.enum:
        return False
    low = column.minimum is None or value >= column.minimum
    return low and (column.maximum is None or value <= column.maximum)


def _redaction_faults(spec: ModelService, columns: Sequence[Column]) -> Iterator[Fault]:
    names = {column.name for column in columns}
    for name in spec.logging.predictions.redact if spec.logging.predictions else ():
        if name not in names:
            yield Fault(
                "SRV138",
                ("logging", "predictions", "redact", name),
                "is not a column of api.input",
                f"the columns are {', '.join(sorted(names))}",
                (_COLUMNS,),
            )


def _batch_faults(spec: ModelService) -> Iterator[Fault]:
    batching, limits = spec.api.batching, spec.api.limits
    if batching is not None and batching.max_batch_size > limits.max_rows:
        yield Fault(
            "SRV139",
            ("api", "batching", "maxBatchSize"),
            f"{batching.max_batch_size} is above api.limits.maxRows {limits.max_rows}",
            "lower it, or raise maxRows",
            (("api", "limits", "maxRows"),),
        )
