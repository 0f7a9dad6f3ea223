"""The document is valid OpenAPI 3.1, and its schemas say what the server's own reading says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from servestack_contract.settings import (
    ApiKeys,
    Column,
    Element,
    Events,
    Input,
    ModelPlace,
    ServerSettings,
    Tensor,
)
from servestack_server.docs_page.openapi import openapi_document
from servestack_server.errors import RequestError
from servestack_server.input.bodies import read_rows
from servestack_server.input.schema import compile_schema

COLUMNS = (
    Column("age", "integer", minimum=18, maximum=99),
    Column("income", "double", nullable=True, minimum=0),
    Column("country", "string", enum=("de", "fr")),
    Column("member", "boolean"),
    Column("segment", "string", required=False, nullable=True, enum=("a", "b")),
)
ROW = [40, 1000.5, "de", True, None]
RECORD = {"age": 40, "income": None, "country": "fr", "member": False}
LISTS = {"age": [40], "income": [1.0], "country": ["de"], "member": [True]}
OUTPUTS = [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]


def document(
    columns: tuple[Column, ...] | None = COLUMNS,
    tensors: tuple[Tensor, ...] = (),
    example: Any = None,
    outputs: list[dict[str, Any]] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    models = settings.pop("models", (ModelPlace("loan", "/models/loan"),))
    events = Events("/events", "/models/loan", kinds=("feedback",))
    settings = {"events": events} | settings
    config = ServerSettings(name="loan", models=models, description="Who pays back.", **settings)
    found: dict[str, Any] = openapi_document(
        config,
        columns=columns,
        tensors=tensors,
        example=example,
        outputs=outputs,
        models=[(place.name, str(version)) for version, place in enumerate(models, start=4)],
    )
    OpenAPIV31SpecValidator(found).validate()
    return found


def validator(found: dict[str, Any], name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": found["components"]}
    return Draft202012Validator(schema)


def takes(columns: tuple[Column, ...] | None, tensors: tuple[Tensor, ...], body: Any) -> bool:
    """Whether the server's own reading of the body goes through."""
    schema = compile_schema(Input(columns=columns, tensors=tensors))
    try:
        read_rows(msgspec.json.encode(body), schema)
    except RequestError:
        return False
    return True


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ([ROW], True),
        (ROW, True),
        (RECORD, True),
        ([RECORD], True),
        ({"data": [ROW, ROW]}, True),
        ({"instances": [RECORD]}, True),
        ({"inputs": [ROW]}, True),
        ({"inputs": LISTS}, True),
        ({"dataframe_records": [RECORD]}, True),
        ({"dataframe_split": {"columns": list(RECORD), "data": [list(RECORD.values())]}}, True),
        ([], False),
        ({}, False),
        ({"data": []}, False),
        ([ROW[:4]], False),
        ([[*ROW, 1]], False),
        ([[17, *ROW[1:]]], False),
        ([[40.5, *ROW[1:]]], False),
        ([["40", *ROW[1:]]], False),
        ([[None, *ROW[1:]]], False),
        ([[40, -1, *ROW[2:]]], False),
        ([[40, 1, "it", True, None]], False),
        ([[40, 1, "de", 1, None]], False),
        ([RECORD | {"segment": "c"}], False),
        ([RECORD | {"colour": "red"}], False),
        ([{key: RECORD[key] for key in ("age", "income", "country")}], False),
        ("text", False),
        (None, False),
    ],
)
def test_schema_of_a_table_agrees_with_the_server(body: Any, good: bool) -> None:
    assert validator(document(), "Body").is_valid(body) is good
    assert takes(COLUMNS, (), body) is good


ROLE = Column("role", "string", enum=("user", "system"))
MESSAGE = Element("object", properties=(ROLE, Column("n", "long", required=False)))
USER = {"role": "user"}


@pytest.mark.parametrize(
    ("columns", "body", "good"),
    [
        ((Column("m", "array", items=MESSAGE),), {"m": [USER]}, True),
        ((Column("m", "array", items=MESSAGE),), {"inputs": {"m": [USER | {"n": None}]}}, True),
        ((Column("m", "array", items=MESSAGE),), [{"m": [USER | {"z": 1}]}], False),
        ((Column("m", "array", items=MESSAGE),), [{"m": [{"role": "robot"}]}], False),
        ((Column("m", "array", items=MESSAGE),), [{"m": None}], False),
        ((Column("a", "array", items=Element("double")),), {"inputs": [1.5, 2]}, True),
        ((Column("a", "array", items=Element("double")),), [[1.5], [2, 3.5]], True),
        ((Column("a", "array", items=Element("double")),), {"inputs": ["x"]}, False),
        ((Column("m", "map", values=Element("long")),), [{"m": {"a": 1}}], True),
        ((Column("m", "map", values=Element("long")),), [{"m": {"a": "x"}}], False),
        ((Column("x", "any"), Column("y", "double")), [[{"a": [None]}, 1]], True),
        ((Column("x", "any"), Column("y", "double")), {"inputs": {"x": [1], "y": [2]}}, True),
        ((Column("t", "string"),), ["a", "b"], True),
        ((Column("t", "string"),), {"inputs": ["a", 1]}, False),
        ((Column("", "string"),), ["a", "b"], True),
        ((Column("", "string"),), {"inputs": "a"}, True),
        ((Column("", "string"),), {"inputs": [["a"]]}, True),
        ((Column("", "string"),), {"inputs": [1]}, False),
        ((Column("", "string"),), {"dataframe_split": {"columns": ["x"], "data": [["a"]]}}, True),
        ((Column("", "object", properties=(ROLE,)),), {"inputs": [USER]}, True),
        ((Column("", "object", properties=(ROLE,)),), {"inputs": [{"role": 1}]}, False),
        ((Column("", "array", items=Element("long")),), [[1], []], True),
        ((Column("", "array", items=Element("long")),), [1], False),
    ],
)
def test_schema_of_nested_and_unnamed_columns_agrees_with_the_server(
    columns: tuple[Column, ...], body: Any, good: bool
) -> None:
    found = document(columns)
    assert validator(found, "Body").is_valid(body) is good
    assert takes(columns, (), body) is good
    post = found["paths"]["/v1/loan/predict"]["post"]
    examples = post["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        assert validator(found, "Body").is_valid(example["value"]), example
        assert takes(columns, (), example["value"]), example


def test_other_content_types_are_those_that_the_input_can_have() -> None:
    def content(columns: tuple[Column, ...] | None, *tensors: Tensor) -> dict[str, Any]:
        paths = document(columns, tensors)["paths"]
        assert (
            paths["/v1/loan/predict"]["post"]["requestBody"]
            == (paths["/invocations"]["post"]["requestBody"])
        )
        found: dict[str, Any] = paths["/v1/loan/predict"]["post"]["requestBody"]["content"]
        return found

    texts = ["application/json", "text/csv", "application/x-ndjson"]
    assert list(content(None, Tensor("uint8", (-1, 32, 32, 3)))) == texts
    assert list(content(COLUMNS)) == [*texts, "multipart/form-data"]
    image = content((Column("image", "binary"),))
    assert list(image) == [*texts, "multipart/form-data", "application/octet-stream", "image/*"]
    assert list(content(None)) == list(image)
    chosen = image["multipart/form-data"]["schema"]["properties"]["image"]
    assert chosen == {"type": "string", "format": "binary"}


def test_unknown_columns_are_described_as_the_server_takes_them() -> None:
    found = document(input=Input(unknown_columns="ignore"))
    split = {"columns": [*RECORD, "colour"], "data": [[*RECORD.values(), "red"]]}
    schema = compile_schema(Input(columns=COLUMNS, unknown_columns="ignore"))
    for body in ([RECORD | {"colour": "red"}], {"dataframe_split": split}):
        assert validator(found, "Body").is_valid(body)
        assert len(read_rows(msgspec.json.encode(body), schema)) == 1
        assert not validator(document(), "Body").is_valid(body)


@pytest.mark.parametrize(
    ("shape", "body", "good"),
    [
        ((-1, 3), [[1, 2, 3.5]], True),
        ((-1, 3), [1, 2, 3.5], True),
        ((-1, 3), {"instances": [[1, 2, 3], [4, 5, 6]]}, True),
        ((-1, 3), [[1, 2]], False),
        ((-1, 3), [[1, 2, "3"]], False),
        ((-1, 3), [], False),
        ((-1,), [1, 2], True),
        ((-1,), [[1]], False),
        ((-1, -1, 2), [[[1, 2], [3, 4], [5, 6]]], True),
        ((-1, -1, 2), [[[1, 2], [3]]], False),
    ],
)
def test_schema_of_a_tensor_agrees_with_the_server(
    shape: tuple[int, ...], body: Any, good: bool
) -> None:
    tensor = Tensor("float32", shape)
    assert validator(document(None, (tensor,)), "Body").is_valid(body) is good
    assert takes(None, (tensor,), body) is good


TENSORS = (Tensor("float32", (-1, 2), "a"), Tensor("int64", (-1,), "b"))
ENTRY = {"a": [1, 2.5], "b": 3}
LISTED = {"a": [[1, 2.5], [0, 0]], "b": [3, 4]}


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (ENTRY, True),
        ([ENTRY, ENTRY], True),
        (LISTED, True),
        ({"instances": [ENTRY]}, True),
        ({"inputs": LISTED}, True),
        ({"dataframe_records": [ENTRY]}, True),
        ({"dataframe_split": {"columns": ["b", "a"], "data": [[3, [1, 2.5]]]}}, True),
        ([], False),
        ([ENTRY | {"c": 1}], False),
        ([{"a": [1, 2]}], False),
        ([ENTRY | {"a": [1, 2, 3]}], False),
        ([ENTRY | {"b": "3"}], False),
        ({"inputs": LISTED | {"b": [[3], [4]]}}, False),
    ],
)
def test_schema_of_several_tensors_agrees_with_the_server(body: Any, good: bool) -> None:
    assert validator(document(None, TENSORS), "Body").is_valid(body) is good
    assert takes(None, TENSORS, body) is good


@pytest.mark.parametrize("example", [None, [ENTRY], {"inputs": LISTED}])
def test_examples_of_several_tensors_can_be_sent(example: Any) -> None:
    found = document(None, TENSORS, example)
    body = found["paths"]["/v1/loan/predict"]["post"]["requestBody"]
    examples = body["content"]["application/json"]["examples"]
    assert list(examples) == ["example", "instances", "inputs"]
    for one in examples.values():
        validator(found, "Body").validate(one["value"])
        assert takes(None, TENSORS, one["value"])
    infer = found["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    tensors = infer["application/json"]["examples"]["example"]["value"]["inputs"]
    assert [(one["name"], one["datatype"]) for one in tensors] == [("a", "FP32"), ("b", "INT64")]


@pytest.mark.parametrize(
    "example",
    [
        None,
        [ROW],
        [RECORD],
        {"data": [ROW]},
        {"inputs": LISTS},
        {"dataframe_split": {"columns": list(RECORD), "data": [list(RECORD.values())]}},
    ],
)
def test_every_example_can_be_sent(example: Any) -> None:
    found = document(example=example)
    body = found["paths"]["/v1/loan/predict"]["post"]["requestBody"]
    examples = [one["value"] for one in body["content"]["application/json"]["examples"].values()]
    assert len(examples) >= 2
    if example is not None:
        assert examples[0] == example
    for one in examples:
        validator(found, "Body").validate(one)
        assert takes(COLUMNS, (), one), one


def test_example_of_a_tensor_is_made_up_where_there_is_none() -> None:
    found = document(None, (Tensor("float32", (-1, 2, 2)),))
    body = found["paths"]["/v1/loan/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["example"]["value"] == [[[0, 0], [0, 0]]]
    infer = found["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    tensor = infer["application/json"]["examples"]["example"]["value"]["inputs"][0]
    assert (tensor["datatype"], tensor["shape"]) == ("FP32", [1, 2, 2])


def test_example_of_the_inference_protocol_is_its_request() -> None:
    found = document(example=[ROW])
    for path in ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"):
        content = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        request = content["examples"]["example"]["value"]
        validator(found, "InferRequest").validate(request)
        assert [(t["name"], t["datatype"], t["data"]) for t in request["inputs"][:3]] == [
            ("age", "INT32", [40]),
            ("income", "FP64", [1000.5]),
            ("country", "BYTES", ["de"]),
        ]


def test_columns_of_one_type_are_one_tensor() -> None:
    found = document((Column("a", "double"), Column("b", "double")), example=[[1.5, 2]])
    content = found["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    (tensor,) = content["application/json"]["examples"]["example"]["value"]["inputs"]
    assert tensor == {"name": "input", "shape": [1, 2], "datatype": "FP64", "data": [[1.5, 2]]}


def test_answers_are_described() -> None:
    found = document(outputs=OUTPUTS)
    answer = {"predictions": [1], "model": "loan", "version": "4", "id": "x"}
    validator(found, "Predictions").validate(answer)
    assert not validator(found, "Predictions").is_valid(answer | {"predictions": ["yes"]})
    batch = answer | {
        "predictions": [1, None],
        "errors": [{"row": 1, "code": "null_value", "message": "…", "field": "age"}],
    }
    validator(found, "BatchPredictions").validate(batch)
    validator(found, "Error").validate({"error": {"code": "x", "message": "y"}, "id": "z"})


def test_outputs_of_several_columns() -> None:
    found = document(outputs=[{"type": "double", "name": "p"}, {"type": "long", "name": "label"}])
    assert validator(found, "Prediction").is_valid({"p": 0.5, "label": 1})
    assert validator(found, "Prediction").is_valid([0.5, 1])
    assert not validator(found, "Prediction").is_valid({"p": "high", "label": 1})


def test_paths_and_statuses() -> None:
    found = document(base_path="/credit/v2")
    assert {"/credit/v2/predict", "/credit/v2/batch", "/credit/v2/feedback"} <= set(found["paths"])
    assert {
        "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/{name}",
        "/v2/models/{name}/versions/{version}/infer", "/invocations", "/ping", "/version",
        "/health", "/livez", "/readyz", "/metrics",
    } <= set(found["paths"])  # fmt: skip
    responses = found["paths"]["/credit/v2/predict"]["post"]["responses"]
    assert set(responses) == {"200", "400", "413", "415", "422", "503"}
    assert "Retry-After" in found["components"]["responses"]["Error503"]["headers"]
    assert "X-Request-Id" in responses["200"]["headers"]
    assert "- loan, version 4" in found["info"]["description"]


def test_an_api_key_is_asked_for_where_a_body_is_taken() -> None:
    found = document(api_keys=ApiKeys("/keys", "X-Loan-Key"))
    (name, scheme), *_ = found["components"]["securitySchemes"].items()
    assert scheme == {"type": "apiKey", "in": "header", "name": "X-Loan-Key"}
    locked = set()
    for path, operations in found["paths"].items():
        for operation in operations.values():
            assert operation.get("security", [{name: []}]) == [{name: []}]
            assert ("401" in operation["responses"]) is ("security" in operation), path
            if "security" in operation:
                locked.add(path)
    assert locked == {
        "/v1/loan/predict", "/v1/loan/batch", "/v1/loan/feedback", "/invocations",
        "/v2/models", "/v2/models/{name}", "/v2/models/{name}/infer",
        "/v2/models/{name}/versions/{version}",
        "/v2/models/{name}/versions/{version}/infer",
    }  # fmt: skip


def test_several_models_have_routes_of_their_own() -> None:
    pair = (ModelPlace("loan-a", "/a"), ModelPlace("loan-b", "/b"))
    alone = document(models=pair)
    assert "/v1/loan/predict" not in alone["paths"]
    assert "/invocations" not in alone["paths"]
    (parameter, *_) = alone["paths"]["/v1/loan/{model}/predict"]["post"]["parameters"]
    assert parameter["schema"]["enum"] == ["loan-a", "loan-b"]
    together = document(models=pair, graph={"type": "ensemble"})
    assert {"/v1/loan/predict", "/v1/loan/{model}/batch", "/invocations"} <= set(together["paths"])
    (parameter, *_) = together["paths"]["/v2/models/{name}/infer"]["post"]["parameters"]
    assert parameter["schema"]["enum"] == ["loan-a", "loan-b", "loan"]


def test_feedback_is_there_where_it_is_kept() -> None:
    assert "/v1/loan/feedback" in document()["paths"]
    assert "/v1/loan/feedback" not in document(events=None)["paths"]


def test_errors_with_status_200_are_described_as_such() -> None:
    found = document(error_style="ok200")
    schema = found["paths"]["/v1/loan/predict"]["post"]["responses"]["200"]["content"]
    whole = {**schema["application/json"]["schema"], "components": found["components"]}
    assert Draft202012Validator(whole).is_valid({"error": {"code": "x", "message": "y"}})


@pytest.mark.parametrize("columns", [None, ()])
def test_nothing_known_of_the_input(columns: tuple[Column, ...] | None) -> None:
    found = document(columns)
    validator(found, "Body").validate([[1, "a"]])
    assert "examples" not in found["paths"]["/v1/loan/predict"]["post"]["requestBody"]["content"][
        "application/json"
    ]  # fmt: skip


def test_the_document_is_the_same_each_time_and_plain_json() -> None:
    assert json.dumps(document()) == json.dumps(document())
