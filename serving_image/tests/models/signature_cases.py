"""Signatures beyond flat columns, and the bodies that go to MLflow's server and to ours."""

from __future__ import annotations

import datetime
from typing import Any

import pydantic
from mlflow.types.schema import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
)

MESSAGE = Object(
    [Property("role", "string"), Property("content", "string"), Property("n", "long", False)]
)
SIGNATURES: dict[str, list[ColSpec]] = {
    "chat": [ColSpec(Array(MESSAGE), "messages"), ColSpec("double", "t", required=False)],
    "array": [ColSpec(Array("double"), "a"), ColSpec("string", "s")],
    "one-array": [ColSpec(Array("double"), "a")],
    "matrix": [ColSpec(Array(Array("double")), "x")],
    "unnamed-array": [ColSpec(Array("double"))],
    "unnamed": [ColSpec("string")],
    "unnamed-two": [ColSpec("double"), ColSpec("double")],
    "text": [ColSpec("string", "t")],
    "map": [ColSpec(Map("double"), "m"), ColSpec("double", "d", required=False)],
    "any": [ColSpec(AnyType(), "x")],
    "anys": [ColSpec(Array(AnyType()), "x"), ColSpec(Map(AnyType()), "y", required=False)],
    "optional": [ColSpec(Array("string"), "x", required=False), ColSpec("string", "y")],
    "object": [
        ColSpec(
            Object(
                [
                    Property("p", "string"),
                    Property("q", Array("double"), False),
                    Property("r", Object([Property("s", "long")]), False),
                ]
            ),
            "o",
        )
    ],
    "types": [
        ColSpec(Object([Property("i", "integer"), Property("f", "float")]), "o"),
        ColSpec(Array("integer"), "i"), ColSpec(Array("float"), "f"),
        ColSpec(Object([Property("when", "datetime")]), "d", required=False),
    ],
    "dates": [ColSpec("datetime", "d"), ColSpec("long", "n")],
    "binary": [ColSpec(Object([Property("p", "binary")]), "o"), ColSpec(Array("binary"), "a")],
    "params": [ColSpec("string", "t")],
}  # fmt: skip
PARAMS = ParamSchema(
    [
        ParamSpec("temperature", DataType.double, 0.5),
        ParamSpec("k", DataType.integer, 3),
        ParamSpec("stop", DataType.string, ["x"], (-1,)),
        ParamSpec("when", DataType.datetime, datetime.datetime(2020, 1, 1, 10)),
        ParamSpec("o", Object([Property("a", "string"), Property("b", "long", False)]), {"a": "z"}),
        ParamSpec("b", DataType.boolean, True),
        ParamSpec("none", DataType.string, None),
    ]
)


class Person(pydantic.BaseModel):
    """What `list[Person]` asks for."""

    name: str
    age: int
    tags: list[str] | None = None
    born: datetime.datetime | None = None
    face: bytes | None = None


HINTS: dict[str, Any] = {
    "list[str]": list[str],
    "list[int]": list[int],
    "list[float]": list[float],
    "list[bytes]": list[bytes],
    "list[datetime]": list[datetime.datetime],
    "list[list[float]]": list[list[float]],
    "list[dict[str, int]]": list[dict[str, int]],
    "list[dict[str, Any]]": list[dict[str, Any]],
    "list[Any]": list[Any],
    "list[Person]": list[Person],
}


HI = {"role": "user", "content": "hi"}
SAME: list[tuple[str, Any]] = [
    ("chat", {"messages": [HI]}),
    ("chat", {"messages": [HI], "t": 0.5}),
    ("chat", {"messages": [HI], "temperature": 0.9, "k": 5}),
    ("chat", {"inputs": {"messages": [HI]}}),
    ("chat", {"inputs": {"messages": [HI], "t": 1.5}}),
    ("chat", {"inputs": {"messages": []}}),
    ("chat", {"inputs": [{"messages": [HI]}, {"messages": [HI | {"n": 4}], "t": 1.0}]}),
    ("chat", {"inputs": {"messages": [HI]}, "params": {"k": 4}}),
    ("chat", {"dataframe_records": [{"messages": [HI], "t": None}]}),
    ("chat", {"dataframe_records": [{"messages": [HI | {"n": None}]}]}),
    ("chat", {"dataframe_split": {"columns": ["messages"], "data": [[[HI]]]}}),
    ("chat", {"dataframe_split": {"columns": ["t", "messages"], "data": [[1.5, [HI]], [2, []]]}}),
    ("array", {"inputs": {"a": [1.5, 2.0], "s": "x"}}),
    ("array", {"inputs": [{"a": [1.5], "s": "x"}]}),
    ("array", {"dataframe_records": [{"a": [1.5, 2], "s": "x"}, {"a": [], "s": "y"}]}),
    ("array", {"dataframe_split": {"columns": ["s", "a"], "data": [["x", [1.5, 2.5, 3.5]]]}}),
    ("one-array", {"inputs": [1.5, 2.5]}),
    ("one-array", {"instances": [1.5, 2.5]}),
    ("one-array", {"dataframe_split": {"columns": ["a"], "data": [[[1.5]], [[2.5]]]}}),
    ("matrix", {"inputs": {"x": [[1.5], [2.5]]}}),
    ("matrix", {"inputs": [[1.5], [2.5]]}),
    ("matrix", {"dataframe_split": {"columns": ["x"], "data": [[[[1.5]]], [[[2.5, 3.5], []]]]}}),
    ("unnamed-array", {"dataframe_split": {"data": [[[1.5]], [[2.5]]]}}),
    ("dates", {"dataframe_records": [{"d": "2026-01-31T12:00:00.123456789", "n": 1}]}),
    ("dates", {"inputs": [{"d": "2026-01-31T12:00:00.1234567", "n": 1}]}),
    ("dates", {"instances": [{"d": "2026-01-31T12:00:00.000000001", "n": 1}]}),
    ("dates", {"dataframe_split": {"columns": ["n", "d"], "data": [[1, "2026-01-31T12:00:00.999999999"], [2, "2026-01-31T12:00:00.000000000"]]}}),
    ("dates", {"inputs": {"d": ["2026-01-31T12:00:00.123456789000"], "n": [1]}}),
    ("unnamed", {"inputs": ["a", "b"]}),
    ("unnamed", {"inputs": "a"}),
    ("unnamed", {"inputs": [["a"], ["b"]]}),
    ("unnamed", {"instances": ["a", "b"]}),
    ("unnamed", {"dataframe_split": {"data": [["a"]]}}),
    ("unnamed-two", {"inputs": [[1.5, 2.5], [3, 4]]}),
    ("unnamed-two", {"dataframe_split": {"data": [[1.5, 2.5]]}}),
    ("text", {"inputs": ["a", "b"]}),
    ("text", {"inputs": {"t": "a"}}),
    ("text", {"inputs": {"t": ["a", "b"]}}),
    ("text", {"instances": ["a", "b"]}),
    ("text", {"instances": [{"t": "a"}]}),
    ("map", {"inputs": [{"m": {"a": 1.5}}]}),
    ("map", {"instances": [{"m": {"a": 1.5}}]}),
    ("map", {"dataframe_records": [{"m": {"a": 1.5}}, {"m": {}}]}),
    ("any", {"inputs": [{"x": 1}, {"x": "a"}, {"x": [1]}]}),
    ("any", {"inputs": {"x": [1, 2]}}),
    ("any", {"inputs": {"x": "a"}}),
    ("any", {"inputs": [1, 2]}),
    ("any", {"dataframe_records": [{"x": {"a": 1}}, {"x": None}]}),
    ("anys", {"inputs": [{"x": [1, "a", None, {"b": 1}]}]}),
    ("anys", {"dataframe_records": [{"x": [], "y": {"a": None, "b": [1]}}]}),
    ("anys", {"dataframe_records": [{"x": None}, {"x": [1]}]}),
    ("optional", {"inputs": [{"y": "a"}]}),
    ("optional", {"inputs": {"y": "a"}}),
    ("optional", {"inputs": {"y": "a", "x": ["q"]}}),
    ("optional", {"dataframe_records": [{"y": "a"}]}),
    ("optional", {"dataframe_records": [{"y": "a", "x": None}, {"y": "b", "x": ["c"]}]}),
    ("optional", {"dataframe_split": {"columns": ["y"], "data": [["a"]]}}),
    ("object", {"inputs": [{"o": {"p": "a"}}]}),
    ("object", {"inputs": {"o": {"p": "a"}}}),
    ("object", {"inputs": {"o": {"p": "a", "q": None, "r": None}}}),
    ("object", {"dataframe_records": [{"o": {"p": "a", "q": [], "r": {}}}]}),
    ("object", {"dataframe_records": [{"o": {"p": "a", "r": {"s": 1}}}]}),
    ("binary", {"dataframe_records": [{"o": {"p": "AQID"}, "a": ["AQID"]}]}),
    ("params", {"inputs": ["a"]}),
    ("params", {"inputs": ["a"], "params": None}),
    ("params", {"inputs": ["a", "b"], "params": {"temperature": 1, "k": 7}}),
    ("params", {"inputs": ["a"], "params": {"temperature": None, "none": "y"}}),
    ("params", {"inputs": ["a"], "params": {"stop": []}}),
    ("params", {"inputs": ["a"], "params": {"stop": ["a", None]}}),
    ("params", {"instances": ["a"], "params": {"when": "2021-05-05T10:00:00+02:00"}}),
    ("params", {"dataframe_split": {"columns": ["t"], "data": [["a"]]}, "params": {"b": False}}),
    ("params", {"dataframe_records": [{"t": "a"}], "params": {"o": {"a": "q", "b": 3}}}),
    ("list[str]", {"inputs": ["a", "b"]}),
    ("list[int]", {"inputs": [1, 2]}),
    ("list[float]", {"inputs": [1.5, 2.5]}),
    ("list[bytes]", {"inputs": ["AQID"]}),
    ("list[datetime]", {"inputs": ["2020-01-01T00:00:00", "2020-01-01T00:00:00+02:00"]}),
    ("list[list[float]]", {"inputs": [[1.5], [2.5, 3.5], []]}),
    ("list[dict[str, int]]", {"inputs": [{"a": 1}, {}]}),
    ("list[dict[str, Any]]", {"inputs": [{"a": [1, None]}]}),
    ("list[Any]", {"inputs": [1, "a", None, {"x": [1]}, [2]]}),
    ("list[Person]", {"inputs": [{"name": "a", "age": 3}, {"name": "b", "age": 4, "tags": None}]}),
]  # fmt: skip
"""Bodies that both answer alike."""
REFUSED: list[tuple[str, Any, str, str, int | None]] = [
    ("chat", {"messages": [{"role": "u"}]}, "missing_property", "messages[0].content", 0),
    ("chat", {"inputs": {"messages": [{"role": "u"}]}}, "missing_property", "messages[0].content", 0),
    ("chat", {"inputs": {"messages": [HI, HI | {"z": 1}]}}, "unknown_property", "messages[1].z", 0),
    ("chat", {"inputs": {"messages": [HI | {"role": 3}]}}, "wrong_type", "messages[0].role", 0),
    ("chat", {"inputs": {"messages": [HI | {"n": 1.0}]}}, "wrong_type", "messages[0].n", 0),
    ("chat", {"inputs": {"messages": None}}, "null_value", "messages", 0),
    ("chat", {"inputs": {}}, "missing_column", "messages", 0),
    ("array", {"dataframe_records": [{"a": [1.5], "s": "x"}, {"a": ["y"], "s": "x"}]}, "wrong_type", "a[0]", 1),
    ("array", {"dataframe_records": [{"a": 1.5, "s": "x"}]}, "wrong_type", "a", 0),
    ("matrix", {"dataframe_records": [{"x": [[1.5], ["a"]]}]}, "wrong_type", "x[1][0]", 0),
    ("map", {"dataframe_records": [{"m": {"a": "b"}}]}, "wrong_type", "m.a", 0),
    ("map", {"dataframe_records": [{"m": [1.5]}]}, "wrong_type", "m", 0),
    ("object", {"dataframe_records": [{"o": {"p": "a", "r": {"s": "x"}}}]}, "wrong_type", "o.r.s", 0),
    ("object", {"dataframe_records": [{"o": {"p": "a", "q": ["x"]}}]}, "wrong_type", "o.q[0]", 0),
    ("object", {"dataframe_records": [{"o": {"p": None}}]}, "null_value", "o.p", 0),
    ("unnamed", {"inputs": {"z": ["a"]}}, "wrong_type", "", 0),
    ("params", {"inputs": ["a"], "params": {"temperature": "x"}}, "wrong_type", "params.temperature", None),
    ("params", {"inputs": ["a"], "params": {"temperature": True}}, "wrong_type", "params.temperature", None),
    ("params", {"inputs": ["a"], "params": {"k": 2.0}}, "wrong_type", "params.k", None),
    ("params", {"inputs": ["a"], "params": {"stop": "a"}}, "wrong_type", "params.stop", None),
    ("params", {"inputs": ["a"], "params": {"stop": ["a", 1]}}, "wrong_type", "params.stop[1]", None),
    ("params", {"inputs": ["a"], "params": {"when": "no"}}, "not_allowed", "params.when", None),
    ("params", {"inputs": ["a"], "params": {"o": {"b": 3}}}, "missing_property", "params.o.a", None),
    ("params", {"inputs": ["a"], "params": {"o": {"a": "q", "z": 1}}}, "unknown_property", "params.o.z", None),
    ("params", {"inputs": ["a"], "params": {"o": None}}, "null_value", "params.o", None),
    ("params", {"inputs": ["a"], "params": {"b": 1}}, "wrong_type", "params.b", None),
    ("params", {"inputs": ["a"], "params": [1]}, "wrong_type", "params", None),
    ("list[str]", {"inputs": ["a", 1]}, "wrong_type", "", 1),
    ("list[str]", {"inputs": [None]}, "null_value", "", 0),
    ("list[int]", {"inputs": [1.5]}, "wrong_type", "", 0),
    ("list[list[float]]", {"inputs": [[1.5], ["a"]]}, "wrong_type", "[0]", 1),
    ("list[dict[str, int]]", {"inputs": [{"a": 1.5}]}, "wrong_type", "a", 0),
    ("list[dict[str, Any]]", {"inputs": [3]}, "wrong_type", "", 0),
    ("list[Person]", {"inputs": [{"name": "a"}]}, "missing_property", "age", 0),
    ("list[Person]", {"inputs": [{"name": "a", "age": 3, "tags": [1]}]}, "wrong_type", "tags[0]", 0),
]  # fmt: skip
"""Bodies that both refuse, with our code, field and row."""
ONLY_OURS: list[tuple[str, Any, Any]] = [
    # MLflow takes no whole number for a double inside other values, and wraps a batch of them.
    ("array", {"inputs": {"a": [1, 2], "s": "x"}}, [{"a": [1.0, 2.0], "s": "x"}]),
    ("array", {"instances": [{"a": [1.5], "s": "x"}]}, [{"a": [1.5], "s": "x"}]),
    ("array", {"inputs": {"a": [[1.5], [2.5]], "s": ["x", "y"]}}, [{"a": [1.5], "s": "x"}, {"a": [2.5], "s": "y"}]),
    ("one-array", {"inputs": [[1.5, 2.5], [3.5]]}, [{"a": [1.5, 2.5]}, {"a": [3.5]}]),
    ("map", {"inputs": {"m": {"a": 2}}}, [{"m": {"a": 2.0}}]),
    # MLflow's check converts neither to 32 bits nor dates.
    (
        "types",
        {"inputs": [{"o": {"i": 1, "f": 0.5}, "i": [1, 2], "f": [0.5], "d": {"when": "2020-01-01T02:00:00+02:00"}}]},
        [{"o": {"i": 1, "f": 0.5}, "i": [1, 2], "f": [0.5], "d": {"when": "2020-01-01 00:00:00"}}],
    ),
    # Pydantic is strict there, and JSON has neither dates nor bytes.
    (
        "list[Person]",
        {"inputs": [{"name": "a", "age": 3, "born": "2020-01-01T00:00:00", "face": "AQID"}]},
        [{"name": "a", "age": 3, "born": "2020-01-01 00:00:00", "face": "b'\\x01\\x02\\x03'", "tags": None}],
    ),
    ("list[float]", {"inputs": [2]}, [2.0]),
    ("list[list[float]]", {"inputs": [[1]]}, [[1.0]]),
    ("list[str]", {"instances": ["a"]}, ["a"]),
    ("list[str]", ["a", "b"], ["a", "b"]),
    ("text", ["a", "b"], [{"t": "a"}, {"t": "b"}]),
]  # fmt: skip
"""Bodies that only we answer, and how."""
ONLY_MLFLOWS: list[tuple[str, Any, str, str]] = [
    # Null in an array becomes NaN, false, or the text "n" there.
    ("array", {"dataframe_records": [{"a": [1.5, None], "s": "x"}]}, "null_value", "a[1]"),
    ("optional", {"dataframe_records": [{"x": ["a", None], "y": "b"}]}, "null_value", "x[1]"),
    ("params", {"inputs": ["a"], "params": {"unknown": 1}}, "unknown_param", "params.unknown"),
    ("params", {"inputs": ["a"], "params": {"k": 2**40}}, "out_of_range", "params.k"),
    ("text", {"inputs": ["a"], "params": {"k": 1}}, "unknown_field", "params"),
    ("list[int]", {"inputs": [True]}, "wrong_type", ""),
    ("list[Person]", {"inputs": [{"name": "a", "age": 3, "z": 1}]}, "unknown_property", "z"),
    ("list[str]", {"inputs": []}, "no_rows", ""),
]  # fmt: skip
"""Bodies that only MLflow answers, with our code and field."""
