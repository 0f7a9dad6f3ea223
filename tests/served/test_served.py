"""Each framework from MLflow to its answers, through `servestack serve`."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.served.trained import LOGGED, iris, log_model
from tests.support.mlflow_server import MlflowServer, asking
from tests.support.ports import free_ports
from tests.support.projects import set_in_yaml

SERVESTACK = str(Path(sys.executable).with_name("servestack"))
EXTRA: dict[str, dict[str, Any]] = {
    "pyfunc": {"trust": {"pickle": True, "code": True}},
    "owned": {"trust": {"code": True}},
}


@pytest.fixture(scope="module")
def registry(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> MlflowServer:
    """An MLflow server that has a model of each kind under its kind's name."""
    for kind in LOGGED:
        log_model(mlflow_server.uri, kind, kind, tmp_path_factory.mktemp(kind))
    return mlflow_server


@pytest.fixture
def project(tmp_path: Path, registry: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of `servestack init`, without its first model, whose dev asks the server."""
    root = tmp_path / "project"
    run("init", str(root), cwd=tmp_path)
    (root / "models/iris.yaml").unlink()
    set_in_yaml(root / "stacks/dev.yaml", mlflow={"trackingUri": registry.uri})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([SERVESTACK, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@contextmanager
def served(root: Path, spec: str, *options: str) -> Iterator[str]:
    """`servestack serve` until it says where its Swagger page is; yields that address's base."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [SERVESTACK, "serve", spec, f"--port={port}", *options],
        cwd=root, stdout=subprocess.PIPE, stderr=(root / "serve.log").open("wb"), text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        page = process.stdout.readline().strip()
        assert page.endswith("/docs"), (root / "serve.log").read_text()
        yield page.removesuffix("/docs")
    finally:
        process.terminate()
        assert process.wait(60) == 0, (root / "serve.log").read_text()


def post(url: str, body: Any) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def by_mlflow(registry: MlflowServer, name: str) -> list[Any]:
    import mlflow

    with asking(registry.uri):
        model = mlflow.pyfunc.load_model(f"models:/{name}@production")
    answers = model.predict(iris()[0])
    return list((answers.to_numpy() if hasattr(answers, "to_numpy") else answers).tolist())


@pytest.mark.parametrize("kind", [kind for kind in LOGGED if kind not in ("owned", "onnx")])
def test_the_answers_are_mlflows(project: Path, registry: MlflowServer, kind: str) -> None:
    run("new", "--from", f"models:/{kind}@production", cwd=project)
    set_in_yaml(project / f"models/{kind}.yaml", **EXTRA.get(kind, {}))
    rows = iris()[0].to_numpy().tolist()
    with served(project, f"models/{kind}.yaml") as url:
        status, answer = post(f"{url}/predict", rows)
        assert status == 200, answer
        expected = by_mlflow(registry, kind)
        if isinstance(expected[0], list):
            pairs = zip(answer["predictions"], expected, strict=True)
            assert all(got == pytest.approx(want, abs=1e-5) for got, want in pairs)
        else:
            assert answer["predictions"] == expected


def test_an_onnx_model_answers_its_labels(project: Path) -> None:
    run("new", "--from", "models:/onnx@production", cwd=project)
    data, species = iris()
    with served(project, "onnx") as url:
        _, answer = post(f"{url}/predict", data.to_numpy().tolist())
    hits = sum(got == want for got, want in zip(answer["predictions"], species, strict=True))
    assert hits >= 143


def test_three_frameworks_in_one_answer(project: Path, registry: MlflowServer) -> None:
    names = ("sklearn", "xgboost", "lightgbm")
    spec = {
        "apiVersion": "servestack/v1",
        "kind": "ModelService",
        "name": "species",
        "models": [{"name": name, "artifact": f"models:/{name}@production"} for name in names],
        "graph": {"kind": "ensemble", "nodes": list(names)},
    }
    (project / "models/species.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    with served(project, "species") as url:
        status, answer = post(f"{url}/predict", iris()[0].head(3).to_numpy().tolist())
        assert status == 200, answer
        assert [sorted(row) for row in answer["predictions"]] == [sorted(names)] * 3
        assert [row["xgboost"] for row in answer["predictions"]] == [0, 0, 0]
        probabilities = answer["predictions"][0]["lightgbm"]
        assert probabilities == pytest.approx(by_mlflow(registry, "lightgbm")[0], abs=1e-5)
        status, single = post(f"{url}/sklearn/predict", [[6.3, 3.3, 6.0, 2.5]])
        assert (status, single["predictions"], single["model"]) == (200, [2], "sklearn")


def test_the_owners_code_refuses_answers_and_tells(project: Path) -> None:
    run("new", "--from", "models:/owned@production", cwd=project)
    log = refused_to_serve(project, "owned")
    assert "trust: {code: true}" in log
    set_in_yaml(project / "models/owned.yaml", **EXTRA["owned"])
    events = project / "events"
    with served(project, "owned", f"--events={events}") as url:
        status, answer = post(f"{url}/predict", [[5.1, 3.5, 1.4, 0.2]])
        assert (status, answer["predictions"]) == (200, [{"species": "setosa"}])
        status, answer = post(f"{url}/predict", [[51, 35, 14, 2]])
        assert (status, answer["error"]["code"]) == (422, "refused")
        assert "millimetres" in answer["error"]["message"]
    lines = [json.loads(line) for file in events.glob("custom-*.ndjson") for line in file.open()]
    assert [(line["data"]["name"], line["data"]["values"]) for line in lines] == [
        ("species", {"count": 1})
    ] * len(lines)
    assert lines


def refused_to_serve(project: Path, name: str) -> str:
    (port,) = free_ports(1)
    done = subprocess.run(
        [SERVESTACK, "serve", name, f"--port={port}"],
        cwd=project, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_model_in_the_image_is_baked_and_served(project: Path, registry: MlflowServer) -> None:
    import mlflow

    with asking(registry.uri):
        there = mlflow.artifacts.download_artifacts(
            "models:/sklearn@production", dst_path=str(project / "image")
        )
    run("new", "inside", "--from", there.rstrip("/"), cwd=project)
    columns = [{"name": name, "type": "double"} for name in iris()[0].columns]
    example = iris()[0].head(1).to_numpy().tolist()
    api = {"input": {"columns": columns, "example": example}}
    set_in_yaml(project / "models/inside.yaml", api=api)
    with served(project, "inside") as url:
        assert post(f"{url}/predict", [[6.3, 3.3, 6.0, 2.5]])[1]["predictions"] == [2]
        with urllib.request.urlopen(f"{url.removesuffix('/v1/inside')}/v2/models/inside") as page:
            assert json.load(page)["platform"] == "sklearn_compiled"


def test_what_stands_in_the_way_is_one_line(project: Path) -> None:
    run("new", "--from", "models:/sklearn@production", cwd=project)
    assert "there is no model or file 'rose'" in refused_to_serve(project, "rose")
    spec = project / "models/sklearn.yaml"
    spec.write_text(spec.read_text().replace("@production", "@nowhere"))
    assert "SRV223" in refused_to_serve(project, "sklearn")
