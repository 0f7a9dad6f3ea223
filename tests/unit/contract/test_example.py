"""The contract says of an example what the server says of it at its start."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from servestack_contract.example import example_fault
from servestack_contract.example_tensors import FORMS
from servestack_contract.settings import Column, ColumnType, Element, Input, Tensor, TensorType
from servestack_server.errors import StartError
from servestack_server.input.schema import compile_schema
from servestack_server.prediction.warm_up import _example_rows

SCALARS = [kind for kind in get_args(ColumnType) if kind not in ("array", "object", "map")]
NAMES = ("a", "b", "c", "data")


def server_takes(given: Input) -> bool:
    """What the server decides; the settings go through their file, as they do on their way."""
    read = msgspec.json.decode(msgspec.json.encode(given), type=Input)
    schema = compile_schema(read)
    try:
        _example_rows(schema, read.example)
    except StartError:
        return False
    return True


def elements() -> st.SearchStrategy[Element]:
    plain = st.builds(Element, st.sampled_from(SCALARS), nullable=st.booleans())
    return st.recursive(
        plain, lambda inner: st.builds(Element, st.just("array"), items=inner), max_leaves=2
    )


def columns_of(name: str) -> st.SearchStrategy[Column]:
    common = {"required": st.booleans(), "nullable": st.booleans()}
    return st.one_of(
        st.builds(Column, st.just(name), st.sampled_from(SCALARS), **common),
        st.builds(
            Column, st.just(name), st.sampled_from(["integer", "long", "float", "double"]),
            minimum=st.just(-1.5), maximum=st.sampled_from([3.0, 1e9]), **common,
        ),
        st.builds(Column, st.just(name), st.just("string"), enum=st.just(("x", "y")), **common),
        st.builds(Column, st.just(name), st.just("long"), enum=st.just((1, 2)), **common),
        st.builds(Column, st.just(name), st.just("double"), enum=st.just((1.0, 2.5)), **common),
        st.builds(Column, st.just(name), st.just("array"), items=elements(), **common),
        st.builds(Column, st.just(name), st.just("map"), values=elements(), **common),
        st.builds(
            Column, st.just(name), st.just("object"),
            properties=st.just((Column("p", "long"), Column("q", "string", required=False))),
            **common,
        ),
    )  # fmt: skip


def tables() -> st.SearchStrategy[Input]:
    named = st.sets(st.sampled_from(NAMES), min_size=1, max_size=3).flatmap(
        lambda names: st.tuples(*(columns_of(name) for name in sorted(names)))
    )
    unnamed = st.tuples(columns_of(""))
    return st.builds(
        Input,
        columns=st.one_of(named, unnamed),
        unknown_columns=st.sampled_from([None, "ignore"]),
    )


def tensors(name: str | None) -> st.SearchStrategy[Tensor]:
    axes = st.lists(st.sampled_from([-1, 1, 2]), max_size=2)
    dtypes = st.sampled_from([kind for kind in get_args(TensorType) if kind != "str"])
    return st.builds(lambda dtype, inner: Tensor(dtype, (-1, *inner), name), dtypes, axes)


def arrays() -> st.SearchStrategy[Input]:
    return st.one_of(
        st.builds(Input, tensor=tensors(None)),
        st.builds(Input, tensor=tensors("a")),
        st.builds(Input, tensors=st.tuples(tensors("a"), tensors("b"))),
    )


VALUES = st.one_of(
    st.none(), st.booleans(), st.sampled_from([0, 1, 2, -2, 2**31, 2**63, 256]),
    st.sampled_from([0.0, 1.0, 2.5, -7.25, 1e300, 70000.0, 1e39]),
    st.sampled_from(["x", "y", "", "eA==", "2026-01-31", "9999-01-01", "ß"]),
)  # fmt: skip
NESTED = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*NAMES, "p", "q", "z"]), inner, max_size=3),
    ),
    max_leaves=8,
)


def fitting(given: Column | Element) -> Any:
    """A value that the column most likely takes."""
    if given.enum:
        return given.enum[0]
    match given.type:
        case "boolean":
            return True
        case "string" | "any":
            return "x"
        case "binary":
            return "eA=="
        case "datetime":
            return "2026-01-31"
        case "array":
            return [fitting(given.items)] if given.items is not None else []
        case "map":
            return {"k": fitting(given.values)} if given.values is not None else {}
        case "object":
            return {part.name: fitting(part) for part in given.properties or ()}
    return 1


def nearly(given: Input) -> st.SearchStrategy[Any]:
    """Examples in each form, most of which fit but for one value."""
    columns = given.columns or ()
    if columns:
        row = [fitting(column) for column in columns]
        record = dict(zip([column.name for column in columns], row, strict=True))
        rows: list[Any] = [row, record, [row, row], row[:-1], [*row, 1], [record, row]]
        rows += [{name: [value] for name, value in record.items()}]
        rows += [dict(list(record.items())[1:]), record | {"z": 1}]
    else:
        cells = []
        for tensor in given.arrays:
            cell: Any = True if tensor.dtype == "bool" else 1
            for size in reversed(tensor.shape[1:]):
                cell = [cell] * abs(size)
            cells.append(cell)
        names = [tensor.name or "a" for tensor in given.arrays]
        record = dict(zip(names, cells, strict=True))
        row = cells[0] if len(cells) == 1 else cells
        rows = [row, [row], [row, row], record, [record], {n: [c] for n, c in record.items()}, []]
    bodies = [form(some) for some in rows for form in (lambda v: v, lambda v: [v])]
    bodies += [{key: some} for some in bodies for key in FORMS]
    bodies += [
        {"dataframe_split": {"columns": names, "data": [row]}}
        for names in ([c.name for c in columns], ["b", "a"], None, [0])
    ]
    bodies += [
        {"dataframe_split": {"data": [row], "index": [0, 1]}},
        {"data": [row], "params": {"x": 1}},
    ]
    swapped = st.tuples(st.sampled_from(bodies), VALUES).map(lambda pair: _swapped(*pair))
    return st.one_of(st.sampled_from(bodies), swapped, NESTED)


def _swapped(body: Any, value: Any) -> Any:
    """The body with its first innermost value replaced."""
    if isinstance(body, list) and body:
        return [_swapped(body[0], value), *body[1:]]
    if isinstance(body, dict) and body:
        first = next(iter(body))
        return body | {first: _swapped(body[first], value)}
    return value


@settings(max_examples=300, deadline=None)
@given(tables().flatmap(lambda i: nearly(i).map(lambda e: msgspec.structs.replace(i, example=e))))
def test_of_a_table(given: Input) -> None:
    assert (example_fault(given) == "") == server_takes(given), example_fault(given)


@settings(max_examples=300, deadline=None)
@given(arrays().flatmap(lambda i: nearly(i).map(lambda e: msgspec.structs.replace(i, example=e))))
@example(Input(tensor=Tensor("float32", (-1, 2)), example=[[3.4028235677973366e38, 0.0]]))
@example(Input(tensor=Tensor("float32", (-1, 2)), example=[[3.4028235677973362e38, 0.0]]))
@example(Input(tensor=Tensor("float16", (-1, 1)), example=[[65519.9]]))
@example(Input(tensor=Tensor("float16", (-1, 1)), example=[[65520.0]]))
@example(Input(tensor=Tensor("int8", (-1,), "a"), example={"a": {"a": 0}}))
@example(Input(tensor=Tensor("bool", (-1, -1, -1)), example=[[]]))
@example(Input(tensor=Tensor("bool", (-1, -1)), example=[[]]))
def test_of_arrays(given: Input) -> None:
    assert (example_fault(given) == "") == server_takes(given), example_fault(given)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([[1, 2]], "row 0: expected 4 values, one for each column, got 2"),
        ([[1, 2, 3, "x"]], "row 0: column 'd': expected a number, got a string"),
        ([{"a": 1, "b": 2, "c": 3}], "row 0: column 'd' is missing"),
        (
            [{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}],
            "there is no column 'e'; the columns are a, b",
        ),
        ({"data": [], "inputs": []}, "give only one of data and inputs"),
    ],
)
def test_what_it_says(body: Any, words: str) -> None:
    columns = tuple(Column(name, "double") for name in "abcd")
    assert words in example_fault(Input(columns=columns, example=body))
