"""Dates are read to the nanosecond, and what is finer is refused, in every form of a body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_image.tests.support.moments import moment_texts

from servestack_contract.moments import in_microseconds, moment
from servestack_contract.settings import Column, Element, Input, Param, ServerSettings
from servestack_contract.wrong_values import WrongValueError
from servestack_server.api.inference import InferEndpoint
from servestack_server.errors import RequestError
from servestack_server.events.values import to_json
from servestack_server.input.bodies import read_rows
from servestack_server.input.content_type import parse_content_type
from servestack_server.input.params import ParamsSchema
from servestack_server.input.readers import read_body
from servestack_server.input.schema import compile_schema
from servestack_server.models.frames import build_frame_maker
from servestack_server.models.moments import nanoseconds
from servestack_server.models.nested import for_frame_of, for_hint_of

DATES = (Column("when", "datetime"), Column("n", "long"))
make_frame = build_frame_maker(DATES, [], "m")


def by_pandas(text: str) -> pd.Timestamp:
    """The moment as pandas reads it, in UTC without a zone."""
    read = pd.Timestamp(text)
    return (read if read.tzinfo is None else read.tz_convert("UTC").tz_localize(None)).as_unit("ns")


@given(moment_texts())
def test_a_moment_is_the_one_that_pandas_reads(text: str) -> None:
    expected = by_pandas(text)
    assert nanoseconds([moment(text)])[0] == expected.to_datetime64()
    logged = json.loads(to_json(moment(text)))
    assert by_pandas(logged) == expected  # what events have of it


@given(st.lists(moment_texts(), min_size=1, max_size=4))
def test_every_form_of_a_body_keeps_nine_digits(texts: list[str]) -> None:
    schema = compile_schema(Input(columns=DATES))
    rows = [[text, at] for at, text in enumerate(texts)]
    records = [dict(zip(("when", "n"), row, strict=True)) for row in rows]
    expected = [by_pandas(text) for text in texts]
    for form in (
        rows, records, {"dataframe_records": records}, {"instances": records},
        {"dataframe_split": {"columns": ["when", "n"], "data": rows}},
        {"inputs": {"when": texts, "n": list(range(len(texts)))}},
    ):  # fmt: skip
        frame = make_frame(read_rows(json.dumps(form).encode(), schema))
        assert frame["when"].dtype == "datetime64[ns]"
        assert frame["when"].tolist() == expected, form
    for kind, lines in (
        ("text/csv", ["when,n", *(f"{text},{at}" for at, text in enumerate(texts))]),
        ("application/x-ndjson", [json.dumps(record) for record in records]),
    ):
        body = "\n".join(lines).encode()
        read: Any = read_body(body, parse_content_type(kind.encode()), schema, 9)
        assert make_frame(read)["when"].tolist() == expected, kind
    tensors = [
        {"name": "when", "datatype": "BYTES", "shape": [len(texts)], "data": texts},
        {"name": "n", "datatype": "INT64", "shape": [len(texts)], "data": [*range(len(texts))]},
    ]
    service: Any = SimpleNamespace(
        unit_key=None, schema=schema, params=None, settings=ServerSettings(name="m", models=())
    )
    request: Any = SimpleNamespace(body=json.dumps({"inputs": tensors}).encode(), headers={})
    endpoint = InferEndpoint(service, None, "")  # type: ignore[arg-type]
    assert make_frame(endpoint.read(request))["when"].tolist() == expected


@given(moment_texts(st.just("")), st.sampled_from(["", "Z", "+02:00"]), st.integers(1, 999))
def test_finer_than_nanoseconds_is_refused(text: str, zone: str, digits: int) -> None:
    whole, _, fraction = text.partition(".")
    finer = f"{whole}.{fraction[:9]:0<9}{digits}{zone}"
    with pytest.raises(WrongValueError, match="nine digits") as caught:
        moment(finer)
    assert caught.value.code == "not_allowed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00,123456789", "2026-01-31T12:00:00.123456789"),
        ("20260131T120000.000000001", "2026-01-31T12:00:00.000000001"),
        ("20260131-120000.000000001-01", "2026-01-31T13:00:00.000000001"),
        ("2026-W05-6T12:00:00.1234567", "2026-01-31T12:00:00.123456700"),
        ("2026-01-31T12:00:00+00:00:30.5", "2026-01-31T11:59:29.500000000"),
        ("2026-01-31T12:00:00.000000009+00:00:30.500000", "2026-01-31T11:59:29.500000009"),
        ("1678-01-01T00:00:00.000000001", "1678-01-01T00:00:00.000000001"),
        ("2261-12-31T23:59:59.999999999", "2261-12-31T23:59:59.999999999"),
    ],
)
def test_all_forms_of_iso_8601_have_nanoseconds(text: str, expected: str) -> None:
    assert nanoseconds([moment(text)])[0] == np.datetime64(expected, "ns")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00.0000000001",
        "2026-01-31T12:00:00.1234567891+02:00",
        "2026-01-31T12:00:00+00:00:30.0000001",
        "2026-01-31T12:00:00.0000001+00:00:30.0000001",
        "20260131-120000-00:00:30.0000001",
    ],
)
def test_digits_that_no_model_counts_are_told(text: str) -> None:
    body = json.dumps([{"when": "2026-01-31", "n": 1}, {"when": text, "n": 2}]).encode()
    with pytest.raises(RequestError, match="nine digits") as caught:
        read_rows(body, compile_schema(Input(columns=DATES)))
    assert (caught.value.status, caught.value.field, caught.value.row) == (422, "when", 1)


def test_missing_moments_are_not_a_time() -> None:
    found = nanoseconds([None, moment("2026-01-31T12:00:00.000000001+01:00"), datetime(2026, 1, 1)])
    expected = ["NaT", "2026-01-31T11:00:00.000000001", "2026-01-01"]
    assert np.array_equal(found, np.array(expected, "datetime64[ns]"), equal_nan=True)


@given(moment_texts())
def test_a_moment_inside_another_value_is_exact(text: str) -> None:
    inside = Column("a", "array", items=Element("datetime"))
    expected = by_pandas(text)
    assert for_frame_of(inside)([text]).tolist() == [expected.value]
    (hinted,) = for_hint_of(inside)([text])
    assert isinstance(hinted, datetime)
    assert pd.Timestamp(hinted) == pd.Timestamp(text)


@given(moment_texts(st.just("")))
def test_params_are_exact_or_refused(text: str) -> None:
    schema = ParamsSchema(
        (Param("when", "datetime"), Param("all", "array", items=Element("datetime")))
    )
    if by_pandas(text).nanosecond:
        for given in ({"when": text}, {"all": [text]}):
            with pytest.raises(RequestError, match="six digits of a second"):
                schema.read(given)
        return
    kept = schema.read({"when": text, "all": [text]}).values
    assert kept["all"] == [kept["when"]] == [in_microseconds(text)]
    # MLflow hands a model what numpy makes of it, and refuses what is not a datetime then.
    assert np.datetime64(kept["when"]).item() == by_pandas(text)


def test_what_a_datetime_holds_is_one() -> None:
    assert type(moment("2026-01-31T12:00:00.123456000Z")) is datetime
    assert moment("2026-01-31T12:00:00.123456000Z") == datetime(
        2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC
    )
