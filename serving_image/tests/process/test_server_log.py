"""The server's own log: its level, its two formats, and the id of the request that failed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.api.owned_model import own_iris
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server
from tests.support.forked import servestack_server

from servestack_server.server_log import JsonFormatter

ID = "caller-id-0001"
FAILS = """
import warnings

class Owner:
    def predict(self, inputs, model):
        if inputs[0][0] == 93:
            warnings.warn("an odd flower", stacklevel=1)
            raise AttributeError("ninety-three\\nof two lines")
        return model.predict(inputs)
"""


def ask_both(server: RunningServer, iris: Iris) -> None:
    """One request that succeeds, and one that fails."""
    assert server.post("/v1/iris/predict", [iris.rows[0]]).status == 200
    failed = server.post("/v1/iris/predict", [[93, 1, 1, 1]], {"X-Request-Id": ID})
    assert failed.status == 500


def test_every_line_of_the_json_log_is_an_object(iris: Iris, tmp_path: Path) -> None:
    config = own_iris(iris, tmp_path, FAILS) | {"log": {"format": "json"}}
    started = datetime.now(UTC)
    with running_server(config, tmp_path) as server:
        ask_both(server, iris)
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
        assert timedelta() <= datetime.fromisoformat(line["time"]) - started + timedelta(seconds=1)
    assert {"ready on port", "stopped"} <= {line["message"].rpartition(" ")[0] or line["message"]
                                            for line in lines}  # fmt: skip
    (failed,) = [line for line in lines if line["level"] == "error"]
    assert failed["requestId"] == ID
    assert failed["message"] == f"request {ID}: model iris failed"
    assert failed["exception"].splitlines()[-2:] == ["AttributeError: ninety-three", "of two lines"]
    (warned,) = [line for line in lines if line["logger"] == "py.warnings"]
    assert "an odd flower" in warned["message"]
    # Only one of the two requests is in the log.
    assert [line for line in lines if "predict" in line["message"]] == []


def test_mlflow_says_what_it_has_to_say_as_objects_too(iris: Iris, tmp_path: Path) -> None:
    """It would configure its loggers itself, and write text."""
    code = (
        "import logging, mlflow\nlogging.getLogger('mlflow.pyfunc').warning('of MLflow')\n" + FAILS
    )
    config = own_iris(iris, tmp_path, code) | {"log": {"format": "json"}}
    with running_server(config, tmp_path) as server:
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (told,) = [line for line in lines if line["message"] == "of MLflow"]
    assert (told["logger"], told["level"]) == ("mlflow.pyfunc", "warning")


def test_the_text_log_names_the_request_that_failed(iris: Iris, tmp_path: Path) -> None:
    with running_server(own_iris(iris, tmp_path, FAILS), tmp_path) as server:
        ask_both(server, iris)
        assert server.stop() == 0
        said = server.log.read_text()
    assert f"ERROR request {ID}: model iris failed\nTraceback" in said
    assert " INFO ready on port" in said


def test_a_model_of_a_graph_that_fails_names_the_request(iris: Iris, tmp_path: Path) -> None:
    config = own_iris(iris, tmp_path, FAILS)
    config |= {"graph": {"kind": "chain", "steps": ["iris"]}, "log": {"format": "json"}}
    with running_server(config, tmp_path) as server:
        failed = server.post("/v1/iris/predict", [[93, 1, 1, 1]], {"X-Request-Id": ID})
        assert failed.status == 500
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["requestId"] for line in lines if line["level"] == "error"] == [ID]


@pytest.mark.parametrize(("level", "is_said"), [("info", True), ("warning", False)])
def test_the_level_is_the_lowest_that_is_said(
    iris: Iris, tmp_path: Path, level: str, is_said: bool
) -> None:
    with running_server(iris.config(log={"level": level}), tmp_path) as server:
        assert ("ready on port" in server.said()) == is_said


def test_the_variable_overrides_the_level(iris: Iris, tmp_path: Path) -> None:
    config, quiet = iris.config(log={"level": "debug"}), {"SERVESTACK_LOG_LEVEL": "error"}
    with running_server(config, tmp_path, environment=quiet) as server:
        assert server.said() == ""


def test_the_error_that_ends_a_verb_is_an_object_too(iris: Iris, tmp_path: Path) -> None:
    models = [{"name": "iris", "path": "/nowhere/iris"}]
    file = tmp_path / "service.json"
    file.write_text(json.dumps(iris.config(models=models, log={"format": "json"})))
    for verb in (("serve", "--port=0"), ("bake",)):
        done = servestack_server(verb[0], f"--config={file}", *verb[1:])
        assert done.returncode == 1
        last = json.loads(done.stderr.splitlines()[-1])
        assert (last["level"], "/nowhere/iris" in last["message"]) == ("error", True)


def test_what_fetch_says_has_the_same_format(iris: Iris, tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    for form in ("text", "json"):
        into = tmp_path / form
        models = [{"name": "iris", "path": str(into / "iris")}]
        file.write_text(
            json.dumps(iris.config(models=models, runtime="native", log={"format": form}))
        )
        source = f"--artifact=iris=file:{iris.folder}#sha256="
        done = servestack_server("fetch", f"--into={into}", source, f"--config={file}")
        assert done.returncode == 0, done.stderr
        lines = done.stderr.splitlines()
        assert lines
        messages = [json.loads(line)["message"] for line in lines] if form == "json" else lines
        assert any("iris" in message for message in messages)


def record(message: str, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord(
        "a", logging.WARNING, "a.py", 1, message, None, more.pop("exc_info", None)
    )
    made.__dict__ |= more
    return made


def test_a_record_without_a_request_has_no_id() -> None:
    line = JsonFormatter().format(record("said", request_id=""))
    assert "requestId" not in json.loads(line)


def test_a_record_of_any_text_is_one_line_of_json() -> None:
    for message in ('quotes " and \n breaks', "half \ud800 a pair", "\x00"):
        line = JsonFormatter().format(record(message))
        assert "\n" not in line
        assert json.loads(line)["message"].startswith(message[:4])


def test_an_exception_that_ends_the_process_is_a_record() -> None:
    code = (
        "from servestack_contract.settings import Log\n"
        "from servestack_server.server_log import configure\n"
        "configure(Log('info', 'json'))\n"
        "raise RuntimeError('unforeseen')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (done.returncode, told["level"]) == (1, "critical")
    assert told["exception"].endswith("RuntimeError: unforeseen")
