"""The prediction API of Seldon Core 1, and columns that the input does not have.

The bodies are those of Seldon's documentation and of its Python wrapper's tests, with this model's
columns.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from serving_image.tests.api.test_predict import logged_event
from serving_image.tests.process.event_log import events
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import Answer, RunningServer, running_server
from urllib3.filepost import encode_multipart_formdata

PATH = "/api/v1.0/predictions"
NAMES = list(COLUMNS)
Served = tuple[RunningServer, Path]


@pytest.fixture(scope="module")
def served(iris: Iris, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("seldon")
    config = iris.config(
        basePath="/seldon/models/iris",
        protocols=["seldon"],
        errorStyle="ok200",
        events=events(folder / "events", "predictions"),
    )
    config["input"] |= {"unknownColumns": "ignore"}
    with running_server(config, folder, versions={"iris": "7"}) as server:
        yield server, folder / "events"


def told(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return answer.json()


def test_numbers_come_back_as_they_were_sent(served: Served, iris: Iris) -> None:
    server, folder = served
    rows, classes = iris.rows[:3], iris.classes[:3]
    flat = [value for row in rows for value in row]
    array = {"names": [], "ndarray": classes}
    tensor = {"names": [], "tensor": {"shape": [3], "values": classes}}
    turned = [row[::-1] for row in rows]
    bodies: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"data": {"names": NAMES, "ndarray": rows}}, array),
        ({"data": {"names": NAMES[::-1], "ndarray": turned}}, array),
        ({"data": {"ndarray": rows}}, array),
        ({"data": {"names": [], "ndarray": rows}, "meta": {}}, array),
        ({"data": {"names": NAMES, "tensor": {"shape": [3, 4], "values": flat}}}, tensor),
        ({"data": {"tensor": {"shape": [3, 4], "values": flat}}, "strData": None}, tensor),
        ({"jsonData": {"instances": rows}}, tensor),
        ({"jsonData": [dict(zip(NAMES, row, strict=True)) for row in rows]}, tensor),
    ]
    for path in (PATH, "/api/v0.1/predictions", f"/seldon/models/iris{PATH}"):
        for body, data in bodies:
            answer = server.post(path, body)
            id = answer.headers["x-request-id"]
            meta = {"puid": id, "requestPath": {"iris": "7"}}
            assert told(answer) == {"data": data, "meta": meta}
    event = logged_event(folder, "predictions", id)["data"]
    assert (event["inputs"], event["outputs"]) == (rows, classes)
    assert event["endpoint"] == f"/seldon/models/iris{PATH}"


def test_one_row_and_what_meta_says(served: Served, iris: Iris) -> None:
    server, _ = served
    meta = {"puid": "a-puid", "tags": {"a": [1]}, "routing": {}, "metrics": []}
    for row in (iris.rows[0], [iris.rows[0]]):
        answer = told(server.post(PATH, {"data": {"names": NAMES, "ndarray": row}, "meta": meta}))
        assert answer["data"]["ndarray"] == iris.classes[:1]
        assert answer["meta"] == {
            "puid": "a-puid", "requestPath": {"iris": "7"}, "tags": {"a": [1]},
        }  # fmt: skip


def test_a_message_as_a_form(served: Served, iris: Iris) -> None:
    server, _ = served
    fields = [("data", f'{{"ndarray": {iris.rows[:2]}}}'), ("meta", '{"puid": "a-puid"}')]
    body, kind = encode_multipart_formdata(fields)
    answer = told(server.post(PATH, body, {"Content-Type": kind}))
    assert (answer["data"]["ndarray"], answer["meta"]["puid"]) == (iris.classes[:2], "a-puid")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"data": {"names": NAMES[:3], "ndarray": [[1, 2, 3]]}}, 422, "missing_column"),
        ({"data": {"ndarray": [[1, 2, "x", 4]]}}, 422, "wrong_type"),
        ({"data": {"ndarray": [[1, 2, 3, 1000]]}}, 422, "out_of_range"),
        ({"data": {"ndarray": []}}, 422, "no_rows"),
        ({"data": {}}, 422, "invalid_request"),
        ({"data": {"tftensor": {}}}, 422, "invalid_request"),
        ({"data": [[1, 2, 3, 4]]}, 422, "invalid_request"),
        ({"data": {"ndarray": [[1, 2, 3, 4]]}, "strData": "x"}, 422, "invalid_request"),
        ({"data": {"tensor": {"shape": [2, 4], "values": [1]}}}, 422, "wrong_shape"),
        ({"data": {"tensor": {"shape": [2**31, 0], "values": []}}}, 422, "invalid_request"),
        ({"data": {"tensor": {"shape": [1, 4], "values": [1, "2", 3, 4]}}}, 422, "invalid_request"),
        ({"data": {"names": [*NAMES, NAMES[0]], "ndarray": [[1, 2, 3, 4, 5]]}}, 422, "ambiguous"),
        ({"strData": "x"}, 422, "wrong_type"),
        ({"binData": base64.b64encode(b"x").decode()}, 415, "unsupported_type"),
        ({"binData": "?"}, 422, "wrong_type"),
        ({"binData": 5}, 422, "wrong_type"),
        ({"jsonData": 5}, 422, "wrong_type"),
        ({}, 422, "invalid_request"),
        ([[1, 2, 3, 4]], 422, "invalid_request"),
        (b"{", 400, "malformed_json"),
        (b"", 400, "empty_body"),
    ],
)
def test_errors_have_the_form_of_the_protocol(
    served: Served, body: Any, status: int, reason: str
) -> None:
    """Clients parse it as a protocol buffer, which takes no other fields."""
    answer = served[0].post(PATH, body)
    found = answer.json()
    info = found["status"].pop("info")
    assert info and isinstance(info, str)
    assert answer.status == status
    assert found == {
        "status": {"code": status, "reason": reason, "status": "FAILURE"},
        "meta": {"puid": answer.headers["x-request-id"]},
    }


def test_other_content_types_are_refused(served: Served) -> None:
    answer = served[0].post(PATH, b"a,b\n1,2\n", {"Content-Type": "text/csv"})
    assert (answer.status, answer.json()["status"]["reason"]) == (415, "unsupported_type")


def test_the_document_has_it(served: Served, iris: Iris) -> None:
    server, _ = served
    document = server.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    operation = document["paths"][f"/seldon/models/iris{PATH}"]["post"]
    (example,) = operation["requestBody"]["content"]["application/json"]["examples"].values()
    assert told(server.post(PATH, example["value"]))["data"]["ndarray"] == iris.classes[:1]
    assert document["components"]["schemas"]["Record"]["additionalProperties"] is True


def test_without_it_in_the_spec_there_is_no_route(logged: Served) -> None:
    assert logged[0].post(PATH, {"data": {"ndarray": [[1, 2, 3, 4]]}}).status == 404


def test_unknown_columns_are_ignored_on_all_routes(served: Served, iris: Iris) -> None:
    server, folder = served
    base = "/seldon/models/iris"
    row = iris.rows[0]
    record = {"more": "x", **dict(zip(NAMES, row, strict=True)), "": None}
    names = list(record)
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in zip(NAMES, row, strict=True)
    ]
    tensors.append({"name": "more", "shape": [1], "datatype": "BYTES", "data": ["x"]})
    split = {"columns": names, "data": [list(record.values())]}
    for path, body in (
        (f"{base}/predict", record),
        (f"{base}/predict", {"inputs": {name: [value] for name, value in record.items()}}),
        (f"{base}/batch", [record]),
        ("/invocations", {"dataframe_split": split}),
        ("/v1/models/iris:predict", {"instances": [record]}),
        (PATH, {"data": {"names": names, "ndarray": split["data"]}}),
        ("/v2/models/iris/infer", {"inputs": tensors}),
    ):
        answer = server.post(path, body)
        assert answer.status == 200, (path, answer.body)
        assert str(iris.classes[0]) in answer.body.decode()
        event = logged_event(folder, "predictions", answer.headers["x-request-id"])
        assert event["data"]["inputs"] == [row]
    csv = ",".join(names) + "\nx," + ",".join(map(str, row)) + ",\n"
    answer = server.post(f"{base}/predict", csv.encode(), {"Content-Type": "text/csv"})
    assert told(answer)["predictions"] == iris.classes[:1]
    del record[NAMES[0]]
    answer = told(server.post(f"{base}/predict", record))
    assert answer["error"]["code"] == "missing_column"
