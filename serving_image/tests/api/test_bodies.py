"""Bodies other than JSON at the routes of the real server: CSV, lines, forms and files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.process.event_log import events
from serving_image.tests.support.iris import COLUMNS, Iris
from serving_image.tests.support.server import RunningServer, running_server
from urllib3.filepost import encode_multipart_formdata

Logged = tuple[RunningServer, Path]
ROUTES = ("/v1/iris/predict", "/v1/iris/batch", "/invocations", "/v1/models/iris:predict")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
LARGE = b"\x89PNG" + bytes(3 << 20)
LOOKS = '''
import mlflow

class Looks(mlflow.pyfunc.PythonModel):
    """Takes the bytes of images, and says how many there are and whether it is a PNG."""

    def predict(self, context, model_input, params=None):
        return [[len(image), image[:4] == b"\\x89PNG"] for image in model_input["image"]]

mlflow.models.set_model(Looks())
'''


def csv_of(rows: list[list[Any]]) -> bytes:
    return "\r\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]).encode()


def lines_of(rows: list[list[Any]]) -> bytes:
    return b"".join(f"{row}\n".encode() for row in rows)


def form_of(rows: list[list[Any]]) -> tuple[bytes, str]:
    return encode_multipart_formdata(
        [(name, str(value)) for row in rows for name, value in zip(COLUMNS, row, strict=True)]
    )


@pytest.mark.parametrize("path", ROUTES)
def test_each_predicting_route_reads_them_all(logged: Logged, iris: Iris, path: str) -> None:
    server, _ = logged
    rows = iris.rows[:6]
    form, kind = form_of(rows)
    for body, declared in (
        (csv_of(rows), "text/csv"),
        (b"\xef\xbb\xbf" + csv_of(rows), "text/csv; charset=utf-8; header=present"),
        (lines_of(rows), "application/x-ndjson"),
        (form, kind),
        (b"\xef\xbb\xbf" + str(rows).encode() + b"\r\n", "application/x-www-form-urlencoded"),
    ):
        answer = server.post(path, body, {"Content-Type": declared})
        assert (answer.status, answer.json().get("predictions")) == (200, iris.classes[:6])


def test_a_bad_row_of_a_batch_fails_alone_in_every_form(logged: Logged, iris: Iris) -> None:
    server, _ = logged
    rows: list[list[Any]] = [iris.rows[0], [1, 2, "x", 4], iris.rows[1], [1, 2, 3, 1000]]
    form, kind = form_of(rows)
    for body, declared in (
        (csv_of(rows), "text/csv"),
        (lines_of(rows).replace(b"'", b'"'), "application/jsonl"),
        (form, kind),
    ):
        told = server.post("/v1/iris/batch", body, {"Content-Type": declared}).json()
        assert told["predictions"] == [iris.classes[0], None, iris.classes[1], None]
        assert [(e["row"], e["code"], e["field"]) for e in told["errors"]] == [
            (1, "wrong_type", "petal_length"), (3, "out_of_range", "petal_width"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "declared", "status", "code"),
    [
        (b"5.1,3.5,1.4,0.2\n", "text/csv", 422, "no_header"),
        (csv_of([[1, 2, 3, 4]] * 2001), "text/csv", 413, "too_many_rows"),
        (b"a\xff", "text/csv", 400, "malformed_text"),
        (csv_of([[1, 2, 3, 4]]), "text/csv; charset=klingon", 415, "unsupported_type"),
        (b"[[1, 2, 3, 4]]", "application/json; charset=latin-1", 415, "unsupported_type"),
        (b"--x", "multipart/form-data; boundary=y", 400, "malformed_form"),
        (PNG, "image/png", 415, "unsupported_type"),
        (b"sepal_length=1", "application/x-www-form-urlencoded", 415, "unsupported_type"),
        (b"[[1, 2, 3, 4]]", "text/plain", 415, "unsupported_type"),
    ],
)  # fmt: skip
def test_each_route_refuses_them_alike(
    logged: Logged, body: bytes, declared: str, status: int, code: str
) -> None:
    for path in ROUTES:
        answer = logged[0].post(path, body, {"Content-Type": declared})
        told = answer.json()
        said = told["code"] if isinstance(told["error"], str) else told["error"]["code"]
        assert (answer.status, said) == (status, code), path


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """A model that takes the bytes of an image, with its events."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    folder = tmp_path_factory.mktemp("looking")
    (folder / "looks.py").write_text(LOOKS)
    mlflow.pyfunc.save_model(
        folder / "model", python_model=str(folder / "looks.py"), pip_requirements=[],
        signature=ModelSignature(Schema([ColSpec("binary", "image")])),
    )  # fmt: skip
    config = {
        "name": "looks",
        "models": [{"name": "looks", "path": str(folder / "model")}],
        "input": {"columns": [{"name": "image", "type": "binary"}], "example": [["iVBORw=="]]},
        "trust": {"code": True},
        "batching": {},
        "events": events(folder / "events", "predictions"),
    }
    with running_server(config, folder) as server:
        yield server, folder


def curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--max-time", "20", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_an_image_is_posted_with_curl(looking: Logged) -> None:
    server, folder = looking
    url = f"{server.url}/v1/looks/predict"
    for name, data in {"cat.png": PNG, "large.png": LARGE, "text": b"text"}.items():
        (folder / name).write_bytes(data)
    cat, large, text = (f"@{folder / name}" for name in ("cat.png", "large.png", "text"))
    seen_cat, seen_large = [len(PNG), True], [len(LARGE), True]
    for arguments, seen in (
        (["-F", f"file={cat}"], [seen_cat]),
        (["-F", f"image={large}"], [seen_large]),  # curl waits for 100 Continue
        (["-F", f"a={cat}", "-F", f"b={text}", "-F", f"a={cat}"], [seen_cat, [4, False], seen_cat]),
        (["--data-binary", cat, "-H", "Content-Type: image/png"], [seen_cat]),
        (["--data-binary", large, "-H", "Content-Type: application/octet-stream"], [seen_large]),
        (["-F", "image=iVBORw=="], [[4, True]]),
    ):
        assert f'"predictions":{seen}'.replace(" ", "").replace("T", "t").replace("F", "f") in curl(
            *arguments, url
        )


def test_a_batch_of_files(looking: Logged) -> None:
    body, kind = encode_multipart_formdata([("a", ("a", PNG)), ("b", ("b", b""))])
    answer = looking[0].post("/v1/looks/batch", body, {"Content-Type": kind})
    assert answer.json()["predictions"] == [[len(PNG), True], [0, False]]


def test_forms_that_are_too_large_or_broken_stay_one_clear_error(looking: Logged) -> None:
    server, _ = looking
    body, kind = encode_multipart_formdata([("a", ("a", bytes(5 << 20)))])
    assert server.post("/v1/looks/predict", body, {"Content-Type": kind}).status == 413
    body, kind = encode_multipart_formdata([("a", ("a", PNG))])
    for wrong in (body[:-9], body[9:], body.replace(b"form-data", b"data")):
        answer = server.post("/v1/looks/predict", wrong, {"Content-Type": kind})
        assert (answer.status, answer.json()["error"]["code"]) == (400, "malformed_form")
    answer = server.post("/v1/looks/predict", body, {"Content-Type": "multipart/form-data"})
    assert (answer.status, answer.json()["error"]["code"]) == (400, "malformed_form")
    assert "Traceback" not in server.log.read_text()
