"""Events as rows of a table, and the types of its columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from servestack.kafka import parquet
from servestack.kafka.parquet import common_form, form_of, write_parquet
from servestack.kafka.rows import Json, Row, rows_of

NAMES = ("sepal_length", "sepal_width")


def event(**data: Any) -> bytes:
    return json.dumps(
        {"id": "request-1", "time": "2026-11-30T10:00:00.123Z", "data": data}
    ).encode()


def rows(line: bytes, *names: str) -> list[Row]:
    """The rows without what all of them have."""
    found = list(rows_of(line, names))
    assert [row.pop("row") for row in found] == list(range(len(found)))
    assert {(row.pop("id"), row.pop("time")) for row in found} == {
        ("request-1", "2026-11-30T10:00:00.123Z")
    }
    return found


@pytest.mark.parametrize(
    ("inputs", "names", "columns"),
    [
        ([[1, 2]], NAMES, [{"input_sepal_length": 1, "input_sepal_width": 2}]),
        ([[1, 2, 3]], NAMES, [{"input_0": 1, "input_1": 2, "input_2": 3}]),
        ([["a"], [None]], ("",), [{"input": "a"}, {"input": None}]),
        ([{"a": 1, "b": [2]}], NAMES, [{"input_a": 1, "input_b": "[2]"}]),
        ([[[1, 2], [3, 4]]], NAMES, [{"input": "[[1,2],[3,4]]"}]),
        (["a text"], (), [{"input": "a text"}]),
        ([[0] * 600], (), [{"input": json.dumps([0] * 600, separators=(",", ":"))}]),
        ([], NAMES, [{}]),
    ],
)
def test_inputs_have_a_column_each(
    inputs: list[Any], names: tuple[str, ...], columns: list[Row]
) -> None:
    assert rows(event(inputs=inputs), *names) == columns


@pytest.mark.parametrize(
    ("outputs", "first", "second"),
    [
        (["a", "b"], {"output": "a"}, {"output": "b"}),
        ([{"label": "a", "score": 0.9}, {"label": "b"}],
         {"output_label": "a", "output_score": 0.9}, {"output_label": "b"}),
        ({"label": ["a", "b"], "score": [0.9, 0.8]},
         {"output_label": "a", "output_score": 0.9}, {"output_label": "b", "output_score": 0.8}),
        ([[0.1, 0.9], [0.8, 0.2]], {"output": "[0.1,0.9]"}, {"output": "[0.8,0.2]"}),
        ([1, 2, 3], {"output": "[1,2,3]"}, {"output": "[1,2,3]"}),
        ("all", {"output": "all"}, {"output": "all"}),
    ],
)  # fmt: skip
def test_outputs_are_divided_among_the_rows(outputs: Any, first: Row, second: Row) -> None:
    found = rows(event(inputs=[[1], [2]], outputs=outputs))
    for row in found:
        del row["input_0"]
    assert found == [first, second]


def test_params_values_and_scalars_have_columns_too() -> None:
    line = event(artifactDigest="ab", params={"top": 3}, redacted=["age"], truncated=False)
    assert rows(line) == [
        {"artifact_digest": "ab", "param_top": 3, "redacted": '["age"]', "truncated": False}
    ]
    assert rows(event(name="drift", values={"psi": 0.1})) == [{"name": "drift", "value_psi": 0.1}]
    assert rows(event(status=202, feedback={"label": 1})) == [{"status": 202, "feedback_label": 1}]


def test_the_last_feedback_counts() -> None:
    line = json.loads(event(inputs=[[1], [2]], outputs=[0, 1]))
    line["feedback"] = [{"time": "t1", "feedback": [1, 1]}, {"time": "t2", "feedback": [0, 1]}]
    found = rows(json.dumps(line).encode())
    told = [(r["feedback"], r["feedback_time"], r["feedback_count"]) for r in found]
    assert told == [(0, "t2", 2), (1, "t2", 2)]


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([None], "null"), ([True, None], "bool"), ([1, 2], "int"), ([1, 2.5], "float"),
        ([2**63], "float"), (["a"], "text"), ([1, "a"], "json"), ([True, 1], "json"),
        ([Json("[1]")], "json"), (["a", Json("[1]")], "json"),
    ],
)  # fmt: skip
def test_a_column_has_the_simplest_form(values: list[Any], form: str) -> None:
    assert form_of(values) == form
    assert common_form(form_of(values), "null") == form == common_form("null", form_of(values))


def test_types_are_those_that_all_parts_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event is a part of its own here, and the last ones change what the first were."""
    monkeypatch.setattr(parquet, "EVENTS_OF_PART", 1)
    outputs: list[Any] = [1, 2**53 + 1, None, 0.5]
    mixed: list[Any] = [1, "one", [1], None]
    lines = [event(outputs=[o], params={"p": m}, **({"status": 200} if m else {}))
             for o, m in zip(outputs, mixed, strict=True)]  # fmt: skip
    assert write_parquet(lines, (), tmp_path / "out.parquet") == 4
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "id": "string", "time": "timestamp[ms, tz=UTC]", "status": "int64", "row": "int64",
        "param_p": "string", "output": "double",
    }  # fmt: skip
    assert table.column("output").to_pylist() == [1.0, float(2**53 + 1), None, 0.5]
    assert table.column("param_p").to_pylist() == ["1", '"one"', "[1]", None]
    assert table.column("status").to_pylist() == [200, 200, 200, None]
    assert table.column("time")[0].as_py().microsecond == 123_000


def test_a_file_of_nothing_is_a_file(tmp_path: Path) -> None:
    assert write_parquet([], (), tmp_path / "out.parquet") == 0
    assert isinstance(pyarrow.parquet.read_table(tmp_path / "out.parquet"), pa.Table)
