"""Writes rows of events as Parquet, in bounded memory though columns and types are known last.

Rows are first written in parts, each with the types that it needs. When all are known, the parts are
brought to the types that all of them need, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from servestack.kafka.rows import Json, Row, rows_of, to_json

EVENTS_OF_PART = 10_000
_FIRST = (
    "id", "time", "type", "source", "traceparent", "model", "version", "artifact_digest",
    "spec_digest", "variant", "branch", "unit", "endpoint", "status", "latency_ms", "sample", "truncated", "redacted",
    "row",
)  # fmt: skip
_TIMES = frozenset({"time", "feedback_time"})
_LARGEST = 2**63

Form = Literal["null", "bool", "int", "float", "text", "json"]
_TYPES: dict[Form, pa.DataType] = {
    "null": pa.null(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(),
    "text": pa.string(), "json": pa.string(),
}  # fmt: skip
_MOMENT = pa.timestamp("ms", tz="UTC")


def write_parquet(lines: Iterable[bytes], names: Sequence[str], file: Path) -> int:
    """Write the rows of events to a file. Returns their number. Raises OSError."""
    forms: dict[str, Form] = {}
    with TemporaryDirectory(prefix="servestack-") as folder:
        parts: list[tuple[Path, dict[str, Form]]] = []
        lines = iter(lines)
        while batch := list(islice(lines, EVENTS_OF_PART)):
            rows = list(chain.from_iterable(rows_of(line, names) for line in batch))
            part, own = Path(folder, f"{len(parts)}.arrow"), _forms(rows)
            _write_part(part, rows, own)
            parts.append((part, own))
            for name, form in own.items():
                forms[name] = common_form(forms.get(name, "null"), form)
        columns = [name for name in _FIRST if name in forms]
        columns += [name for name in forms if name not in _FIRST]
        schema = pa.schema([(name, _type(name, forms[name])) for name in columns])
        count = 0
        with pa.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for part, own in parts:
                table = pa.ipc.open_stream(part).read_all()
                count += table.num_rows
                arrays = [_as(table, own, name, forms[name]) for name in columns]
                writer.write_table(pa.table(arrays, schema=schema))
                part.unlink()
    return count


def _forms(rows: Sequence[Row]) -> dict[str, Form]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: form_of([row.get(name) for row in rows]) for name in names}


def form_of(values: Sequence[Any]) -> Form:
    """Return the simplest form that holds all values."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int} and any(not -_LARGEST <= v < _LARGEST for v in values if v is not None):
        return "float"
    by_kind: dict[type, Form] = {
        bool: "bool", int: "int", float: "float", str: "text", Json: "json"
    }  # fmt: skip
    form: Form = "null"
    for kind in kinds:
        form = common_form(form, by_kind[kind])
    return form


def common_form(one: Form, other: Form) -> Form:
    """Return the form that holds the values of both: JSON where they have no simpler one."""
    if one == other or other == "null":
        return one
    if one == "null":
        return other
    return "float" if {one, other} == {"int", "float"} else "json"


def _type(name: str, form: Form) -> pa.DataType:
    return _MOMENT if name in _TIMES and form in ("text", "null") else _TYPES[form]


def _write_part(part: Path, rows: Sequence[Row], forms: dict[str, Form]) -> None:
    arrays = []
    for name, form in forms.items():
        values = [row.get(name) for row in rows]
        if form == "json":
            values = [_json_text(value) for value in values]
        elif form == "float":
            values = [None if value is None else float(value) for value in values]
        arrays.append(pa.array(values, _TYPES[form]))
    table = pa.table(arrays, names=list(forms))
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _as(table: pa.Table, own: dict[str, Form], name: str, form: Form) -> Any:
    """Return a part's column in the form that all parts need."""
    if name not in own:
        return pa.nulls(table.num_rows, _type(name, form))
    column = table.column(name)
    if form == "json" and own[name] != "json":
        return pa.array([_json_text(value) for value in column.to_pylist()], pa.string())
    # A whole number beyond 2^53 loses digits where others of its column are not whole.
    return column.cast(_type(name, form), safe=False)


def _json_text(value: Any) -> str | None:
    return None if value is None else str(to_json(value))
