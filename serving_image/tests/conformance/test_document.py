"""The OpenAPI document against the server: what it lists is there, and answers as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def logging_server(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that keeps events, so that it takes feedback too."""
    folder = tmp_path_factory.mktemp("logging")
    (folder / "events").mkdir()
    events = {
        "folder": str(folder / "events"),
        "source": "/models/iris",
        "kinds": ["predictions", "feedback"],
        "predictions": {},
    }
    with running_server(iris.config(events=events), folder, versions={"iris": "4"}) as running:
        yield running


def test_every_operation_answers_as_described(logging_server: RunningServer) -> None:
    document = read(logging_server, "/v1/iris/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    called = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for body in bodies(operation):
                place = filled_in(path, operation)
                answer = logging_server.request(method.upper(), place, body)
                expected = "202" if path.endswith("/feedback") else "200"
                assert str(answer.status) == expected, (place, answer.body)
                described = operation["responses"][expected]
                media_type = answer.headers["content-type"].partition(";")[0]
                assert media_type in described["content"], place
                if media_type == "application/json":
                    schema = described["content"][media_type]["schema"]
                    conforms(document, schema, answer.json())
                for header in described.get("headers", {}):
                    assert header.lower() in answer.headers, (place, header)
                called += 1
    assert called > 20


def test_a_prediction_is_of_the_type_that_the_example_had(logging_server: RunningServer) -> None:
    document = read(logging_server, "/v1/iris/openapi.json")
    assert document["components"]["schemas"]["Prediction"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/iris/predict", b"[[1,", {}, 400),
        ("/v1/iris/predict", [[1, 2, 3]], {}, 422),
        ("/v1/iris/predict", [["a", 2, 3, 4]], {}, 422),
        ("/v1/iris/batch", [[-1, 2, 3, 4]], {}, 422),
        ("/v1/iris/predict", b"<a/>", {"Content-Type": "application/xml"}, 415),
        ("/v1/iris/predict", b"[" + b" " * (5 << 20) + b"]", {}, 413),
        ("/v1/iris/feedback", {"feedback": 1}, {}, 422),
    ],
)
def test_errors_are_as_described(
    logging_server: RunningServer, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    document = read(logging_server, "/v1/iris/openapi.json")
    answer = logging_server.post(path, body, {"X-Request-Id": "request-1"} | headers)
    assert answer.status == status, answer.body
    assert str(status) in document["paths"][path]["post"]["responses"]
    described = document["components"]["responses"][f"Error{status}"]["content"]
    conforms(document, described["application/json"]["schema"], answer.json())
    if status != 413:  # refused by its length, before the other headers count
        assert answer.json()["id"] == answer.headers["x-request-id"] == "request-1"


def test_the_document_is_the_same_at_the_root(logging_server: RunningServer) -> None:
    assert read(logging_server, "/openapi.json") == read(logging_server, "/v1/iris/openapi.json")


def test_the_example_of_the_model_s_folder_fits(logging_server: RunningServer, iris: Iris) -> None:
    document = read(logging_server, "/openapi.json")
    body = json.loads(Path(iris.folder, "serving_input_example.json").read_text())
    conforms(document, {"$ref": "#/components/schemas/Body"}, body)


def read(server: RunningServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(path).json()
    return found


def bodies(operation: dict[str, Any]) -> list[Any]:
    """The examples of its body; None alone where it takes none."""
    if "requestBody" not in operation:
        return [None]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    return [example["value"] for example in examples.values()]


def filled_in(path: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", []):
        if parameter.get("in") == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["enum"][0])
    return path


def conforms(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)
