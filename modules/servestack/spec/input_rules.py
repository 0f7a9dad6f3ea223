"""Rules between the fields of a model's input: columns, params, example, batching, redaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from servestack.spec.api import NamedTensor
from servestack.spec.columns import Column, Element, Param
from servestack.spec.document import DataPath
from servestack.spec.example_values import misfit
from servestack.spec.faults import Fault
from servestack.spec.model_service import ModelService
from servestack.spec.problems import quoted
from servestack.words import counted
from servestack_contract.profile import WITHOUT_BUCKETS
from servestack_contract.settings import NESTED_TYPES

_NUMERIC = {"integer", "long", "float", "double"}
_HOLDERS = {"items": "array", "values": "map", "properties": "object"}
"""The fields that describe what is in a value, and the type that has it."""
_COLUMNS = ("api", "input", "columns")
_PARAMS = ("api", "params")
_EXAMPLE = ("api", "input", "example")
_UNBOUNDED = {"minimum": None, "maximum": None, "enum": None}


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
    yield from _repeated_names(given.tensors or (), ("api", "input", "tensors"))
    if given.columns is not None:
        yield from _column_faults(given.columns, _COLUMNS)
        if given.example is not None:
            yield from _example_faults(given.example, given.columns)
    yield from _param_faults(spec.api.params or ())
    yield from _redaction_faults(spec)
    yield from _drift_faults(spec)
    yield from _batch_faults(spec)


def _repeated_names(
    inputs: Sequence[Column | Param | NamedTensor], place: DataPath
) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, one in enumerate(inputs):
        if one.name in seen:
            yield Fault(
                "SRV136",
                (*place, index, "name"),
                f"{one.name!r} is also the name of {place[-1]}[{seen[one.name]}]",
                f"give each of the {place[-1]} a different name",
            )
        seen.setdefault(one.name, index)


def _column_faults(columns: Sequence[Column], place: DataPath) -> Iterator[Fault]:
    """Yield the faults of columns, or of the properties of an object, which all have names."""
    yield from _repeated_names([column for column in columns if column.name], place)
    for index, column in enumerate(columns):
        path = (*place, index)
        if not column.name and (len(columns) > 1 or place != _COLUMNS):
            yield Fault(
                "SRV136", path, "has no name", "only the single column of an input may have none"
            )
        yield from _constraint_faults(column, path)


def _param_faults(params: Sequence[Param]) -> Iterator[Fault]:
    yield from _repeated_names(params, _PARAMS)
    for index, param in enumerate(params):
        path = (*_PARAMS, index)
        if param.default is not None and (found := misfit(param.default, param)):
            yield Fault(
                "SRV136",
                (*path, "default"),
                f"{quoted(found[1], param.name)} is not of type {param.type}",
                "write a default that the param allows",
                ((*path, "type"),),
            )
        yield from _constraint_faults(param, path)


def _constraint_faults(given: Column | Element | Param, path: DataPath) -> Iterator[Fault]:
    bounded = "minimum" if given.minimum is not None else "maximum"
    if given.type not in _NUMERIC and (given.minimum, given.maximum) != (None, None):
        yield Fault(
            "SRV136",
            (*path, bounded),
            f"does not fit type {given.type}",
            "only numbers have bounds; use enum for text",
            ((*path, "type"),),
        )
    low, high = given.minimum, given.maximum
    if low is not None and high is not None and low > high:
        yield Fault(
            "SRV136",
            (*path, "minimum"),
            f"{low:g} is above maximum {high:g}",
            "swap the two",
            ((*path, "maximum"),),
        )
    for at, value in enumerate(given.enum or ()):
        if given.type in NESTED_TYPES or misfit(value, given.model_copy(update=_UNBOUNDED)):
            yield Fault(
                "SRV136",
                (*path, "enum", at),
                f"{quoted(value, getattr(given, 'name', ''))} is not of type {given.type}",
                "write values of the column's type",
                ((*path, "type"),),
            )
    yield from _inner_faults(given, path)


def _inner_faults(given: Column | Element | Param, path: DataPath) -> Iterator[Fault]:
    for field, holder in _HOLDERS.items():
        if getattr(given, field) is not None and given.type != holder:
            yield Fault(
                "SRV136",
                (*path, field),
                f"does not fit type {given.type}",
                f"only type {holder} has {field}",
                ((*path, "type"),),
            )
    for field in ("items", "values"):
        element: Element | None = getattr(given, field)
        if element is not None:
            yield from _constraint_faults(element, (*path, field))
    yield from _column_faults(given.properties or (), (*path, "properties"))


def _example_faults(example: Any, columns: Sequence[Column]) -> Iterator[Fault]:
    """Yield the faults of example rows: lists by position, or mappings by column name."""
    if not isinstance(example, (list, tuple)) or not example:
        return
    for index, row in enumerate(example):
        path = (*_EXAMPLE, index)
        if len(columns) == 1 and not columns[0].name:
            pairs = [(columns[0], row)]
        elif isinstance(row, (list, tuple)):
            if len(row) != len(columns):
                yield Fault(
                    "SRV137",
                    path,
                    f"has {counted(len(row), 'value')} for {counted(len(columns), 'column')}",
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
            if found := misfit(value, column):
                at, wrong = found
                label = column.name + at if column.name else at.lstrip(".")
                yield Fault(
                    "SRV137",
                    path,
                    f"{quoted(wrong, label)} does not fit "
                    + (f"column {label!r}" if label else "the column"),
                    "write an example that the model's input allows",
                    (_COLUMNS,),
                )


def _redaction_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield the names of `redact` that neither the input nor the params have.

    A name may come from the model's signature unless the spec writes both: see rule SRV628.
    """
    given, params = spec.api.input, spec.api.params
    if not given.is_known or params is None:
        return
    arrays = [given.tensor] if given.tensor is not None else given.tensors or ()
    named = [*(given.columns or ()), *arrays, *params]
    known = {one.name for one in named if one.name is not None}
    for name in spec.logging.predictions.redact if spec.logging.predictions else ():
        if name not in known:
            yield Fault(
                "SRV138",
                ("logging", "predictions", "redact", name),
                "is not a column, a tensor or a param of the model",
                f"the names are {', '.join(sorted(known))}" if known else "none of them has a name",
            )


def _drift_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield the faults of the columns to watch. A signature's names are checked by the server."""
    watched = spec.monitoring.watched
    if watched is None or watched.columns is None:
        return
    place: DataPath = ("monitoring", "drift", "columns")
    if len(watched.columns) > watched.max_columns:
        yield Fault(
            "SRV185",
            place,
            f"{len(watched.columns)} columns are above maxColumns {watched.max_columns}",
            "name fewer, or raise maxColumns",
            (("monitoring", "drift", "maxColumns"),),
        )
    given, log = spec.api.input.columns, spec.logging.predictions
    known = {column.name: column.type for column in given or ()}
    for index, name in enumerate(watched.columns):
        if name in watched.columns[:index]:
            yield Fault("SRV186", (*place, index), f"{name!r} is written twice", "remove it")
        elif known and known.get(name) in (None, *WITHOUT_BUCKETS):
            able = [name for name, kind in known.items() if kind not in WITHOUT_BUCKETS]
            yield Fault(
                "SRV186",
                (*place, index),
                f"{name!r} is not a column whose values have buckets",
                f"name some of {', '.join(able)}" if able else "remove them: the input has none",
                (_COLUMNS,),
            )
        elif log and name in log.redact:
            yield Fault(
                "SRV187",
                (*place, index),
                f"{name!r} is redacted from events, and its most common values would be metrics",
                "remove it, or log it in clear text",
                (("logging", "predictions", "redact", name),),
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
