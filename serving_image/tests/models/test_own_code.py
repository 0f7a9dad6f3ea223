"""Code of the model's owner: pyfunc models, and the class around a model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.onnx
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
import xgboost
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc.scoring_server import infer_and_parse_data
from mlflow.types import ColSpec, Schema
from serving_image.tests.models.model_support import by_mlflow, iris, load, rows_of
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from servestack_contract.settings import Column, Tensor, Trust
from servestack_server.errors import StartError
from servestack_server.input.tensor_rows import TensorRows

FRAME = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [1.0, 1.0, 3.0]})
SCRIPT = """
import mlflow
from factor_s import FACTOR

class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["a"] * FACTOR

mlflow.models.set_model(Doubled())
"""


@pytest.fixture(autouse=True)
def _import_path() -> Iterator[None]:
    """Loading puts folders on the path; each test starts without those of another."""
    path = list(sys.path)
    yield
    sys.path[:] = path


class Sum(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow has no types here
    """Adds the columns; pickled by value below."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return pd.DataFrame({"sum": model_input["a"] + model_input["b"], "b": model_input["b"]})


def test_a_pickled_python_model_is_refused_then_answers_as_mlflow_does(tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(
        tmp_path / "m", python_model=Sum(), pip_requirements=[], input_example=FRAME
    )
    with pytest.raises(StartError, match=r"trust: \{pickle: true\}"):
        load(tmp_path / "m", FRAME, trust=Trust(code=True))
    answer = load(tmp_path / "m", FRAME, trust=Trust(pickle=True)).predict(rows_of(FRAME))
    assert isinstance(answer, dict)
    assert np.array_equal(np.column_stack([*answer.values()]), by_mlflow(tmp_path / "m", FRAME))


class Shapes(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow has no types here
    """Says what it got for each row; pickled by value below."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        kinds = ", ".join(
            f"{name} {values.dtype.kind} {values.shape[1:]}" for name, values in model_input.items()
        )
        return [f"{kinds}: {model_input['a'][at].sum()}" for at in range(len(model_input["a"]))]


def test_named_tensors_reach_a_python_model_as_mlflow_hands_them_over(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(12, dtype=np.float32).reshape(2, 2, 3),
        "b": np.array([["x"], ["y"]]),
    }
    for names in (("a", "b"), ("a",)):
        given = {name: arrays[name] for name in names}
        folder = tmp_path / "-".join(names)
        signature = infer_signature(given)
        mlflow.pyfunc.save_model(
            folder, python_model=Shapes(), pip_requirements=[], signature=signature
        )
        trust = Trust(pickle=True)
        tensors = (Tensor("float32", (-1, 2, 3), "a"), Tensor("str", (-1, 1), "b"))
        rows: Any = arrays["a"]
        if len(names) == 2:
            model = load(folder, tensors=tensors, trust=trust)
            rows = TensorRows({"a": arrays["a"], "b": arrays["b"].astype(object)})
        else:
            model = load(folder, tensor=tensors[0], trust=trust)
        expected = mlflow.pyfunc.load_model(str(folder)).predict(given)
        assert model.predict(rows) == expected


def test_several_tensors_need_a_flavor_that_takes_them(tmp_path: Path) -> None:
    mlflow.sklearn.save_model(
        LinearRegression().fit(FRAME, FRAME["a"]), tmp_path / "m", pip_requirements=[]
    )
    tensors = (Tensor("float32", (-1,), "a"), Tensor("float32", (-1,), "b"))
    with pytest.raises(StartError, match="flavor sklearn hands a model one array"):
        load(tmp_path / "m", tensors=tensors)


def test_a_script_with_modules_of_its_own_needs_trust_for_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "factor_s.py").write_text("FACTOR = 3\n")
    monkeypatch.syspath_prepend(tmp_path)  # MLflow runs the script when it saves it
    (tmp_path / "script.py").write_text(SCRIPT)
    mlflow.pyfunc.save_model(
        tmp_path / "m",
        python_model=str(tmp_path / "script.py"),
        code_paths=[str(tmp_path / "factor_s.py")],
        pip_requirements=[],
    )
    monkeypatch.undo()
    (tmp_path / "factor_s.py").unlink()
    del sys.modules["factor_s"]
    with pytest.raises(StartError, match=r"trust: \{code: true\}"):
        load(tmp_path / "m", FRAME)
    model = load(tmp_path / "m", FRAME, trust=Trust(code=True))
    assert (model.flavor, model.runtime) == ("pyfunc", "native")
    assert np.array_equal(model.predict(rows_of(FRAME)), by_mlflow(tmp_path / "m", FRAME))


SERVICE = """
from pathlib import Path

class IrisService:
    def __init__(self, folder: Path):
        self.saved = (folder / "MLmodel").is_file()

    def preprocess(self, rows):
        return [tuple(10 * value for value in row) for row in rows]

    def predict(self, inputs, model):
        return -model.predict(inputs)

    def postprocess(self, outputs):
        return [f"{value:.1f} {self.saved}" for value in outputs]
"""


def _save_with_service(folder: Path, source: str, name: str) -> Path:
    module = folder / "src" / f"{name}.py"
    module.parent.mkdir(exist_ok=True)
    module.write_text(source)
    mlflow.sklearn.save_model(
        LinearRegression().fit(FRAME, FRAME["a"] + 1),
        folder / "m",
        pip_requirements=[],
        code_paths=[str(module)],
        metadata={"servestack": {"class": f"{name}:IrisService"}},
    )
    return folder / "m"


def test_the_owners_class_stands_around_the_model(tmp_path: Path) -> None:
    folder = _save_with_service(tmp_path, SERVICE, "service_whole")
    with pytest.raises(StartError, match=r"service_whole:IrisService is code.*trust: \{code: true"):
        load(folder, FRAME)
    model = load(folder, FRAME, trust=Trust(code=True))
    service: Any = model.service
    outputs = model.predict(service.preprocess([(1.0, 1.0)]))
    assert service.postprocess(outputs) == ["-11.0 True"]
    assert not list(folder.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("method", "has_forms"),
    [("preprocess(self, rows)", True), ("postprocess(self, outputs)", False)],
)
def test_what_the_class_returns_is_the_answer_of_all_routes(
    tmp_path: Path, method: str, has_forms: bool
) -> None:
    """Of an ONNX model, whose outputs differ by route without it."""
    features, classes = iris()
    forest = LogisticRegression(max_iter=500).fit(features.to_numpy(), classes)
    name = f"service_{method.partition('(')[0]}"
    (tmp_path / f"{name}.py").write_text(f"class Own:\n    def {method}:\n        return []\n")
    mlflow.onnx.save_model(
        to_onnx(forest, np.zeros((1, 4), np.float32)), tmp_path / "m", pip_requirements=[],
        code_paths=[str(tmp_path / f"{name}.py")], metadata={"servestack": {"class": f"{name}:Own"}},
    )  # fmt: skip
    model = load(tmp_path / "m", features, trust=Trust(code=True))
    assert (model.named is not None, model.whole is not None) == (has_forms, has_forms)


def test_two_models_may_bring_modules_of_one_name(tmp_path: Path) -> None:
    services: list[Any] = []
    for word in ("first", "second"):
        (tmp_path / word).mkdir()
        source = (
            f"class IrisService:\n    def postprocess(self, outputs):\n        return '{word}'\n"
        )
        folder = _save_with_service(tmp_path / word, source, "service_twice")
        services.append(load(folder, FRAME, trust=Trust(code=True)).service)
    assert [service.postprocess([]) for service in services] == ["first", "second"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import json\n\nimport not_there\n", r"service_\d\.py:3: ModuleNotFoundError"),
        ("class IrisService(:\n", r"service_\d\.py:1: SyntaxError"),
        (
            "class IrisService:\n    def __init__(self):\n        raise OSError('no list')\n",
            r"service_\d\.py:3: OSError: no list",
        ),
        ("IrisService = 1\n", r"has no class IrisService"),
        ("class IrisService:\n    pass\n", r"has none of preprocess, predict, postprocess"),
        (
            "class IrisService:\n    def predict(self, inputs):\n        return inputs\n",
            r"predict must take \(inputs, model\)",
        ),
        (
            "class IrisService:\n    async def preprocess(self, rows):\n        return rows\n",
            r"preprocess is not a plain method",
        ),
    ],
)
def test_what_is_wrong_with_the_class_is_one_line(
    tmp_path: Path, source: str, message: str, request: pytest.FixtureRequest
) -> None:
    name = f"service_{request.node.callspec.indices['source']}"
    folder = _save_with_service(tmp_path, source, name)
    with pytest.raises(StartError, match=message) as caught:
        load(folder, FRAME, trust=Trust(code=True))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_three_frameworks_live_in_one_process(tmp_path: Path) -> None:
    """Lean imports first, then a pipeline that needs the whole of XGBoost."""
    features, classes = iris()
    booster = xgboost.XGBClassifier(n_estimators=5).fit(features, classes)
    mlflow.xgboost.save_model(booster, tmp_path / "booster", pip_requirements=[])
    pipeline = make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=5))
    mlflow.sklearn.save_model(
        pipeline.fit(features, classes),
        tmp_path / "pipeline",
        serialization_format="cloudpickle",
        pip_requirements=[],
    )
    mlflow.sklearn.save_model(
        LogisticRegression(max_iter=500).fit(features, classes),
        tmp_path / "logistic",
        pip_requirements=[],
    )
    program = f"""
import sys
from pathlib import Path
from servestack_contract.settings import Trust
from servestack_server.models.load import load_model
models = [load_model(Path({str(tmp_path)!r}) / name, name=name, version="1", digest="",
    columns=None, tensor=None, runtime="auto", trust=Trust(pickle=True))
    for name in ("booster", "pipeline", "logistic")]
rows = {rows_of(features.iloc[::50])!r}
print([model.predict(rows).tolist() for model in models])
"""
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == str([[0, 1, 2]] * 3)


def test_a_model_from_type_hints_gets_a_list(tmp_path: Path) -> None:
    (tmp_path / "hinted.py").write_text(
        "import mlflow\n\n\nclass Upper(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, model_input: list[str], params=None) -> list[str]:\n"
        "        return [text.upper() for text in model_input]\n\n\n"
        "mlflow.models.set_model(Upper())\n"
    )
    mlflow.pyfunc.save_model(
        tmp_path / "m", python_model=str(tmp_path / "hinted.py"), pip_requirements=[]
    )
    model = load(tmp_path / "m", columns=(Column("", "string"),), trust=Trust(code=True))
    assert model.predict([("a",), ("b",)]) == ["A", "B"]


@pytest.mark.parametrize(
    ("loader", "hint"),
    [
        (
            "mlflow.prophet",
            "no image here has prophet: build one, as docs/how-to/own-image.md shows",
        ),
        ("mlflow.spacy", "no image here has spacy"),
        ("mlflow.pytorch", "use the pytorch variant of the image"),
    ],
)
def test_a_package_that_no_image_has(tmp_path: Path, loader: str, hint: str) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/MLmodel").write_text(
        f"flavors: {{python_function: {{loader_module: {loader}, data: model, python_version: 3.11.0}}}}\n"
    )
    (tmp_path / "m/model").mkdir()
    with pytest.raises(StartError, match="cannot be loaded: ModuleNotFoundError") as failed:
        load(tmp_path / "m", trust=Trust(code=True))
    assert hint in failed.value.hint


class Dtypes(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers what it was given."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        told = ",".join(f"{name}:{model_input[name].dtype}" for name in model_input.columns)
        return [f"{told} {row}" for row in model_input.values.tolist()]


@pytest.fixture(scope="module")
def optional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with an optional integer and an optional boolean."""
    folder = tmp_path_factory.mktemp("optional") / "m"
    columns = [
        ColSpec("long", "q", required=False), ColSpec("boolean", "b", required=False),
        ColSpec("double", "r"),
    ]  # fmt: skip
    signature = ModelSignature(Schema(columns), Schema([ColSpec("string")]))
    mlflow.pyfunc.save_model(
        folder, python_model=Dtypes(), signature=signature, pip_requirements=[]
    )
    return folder


OPTIONAL = (
    Column("q", "long", required=False), Column("b", "boolean", required=False), Column("r", "double"),
)  # fmt: skip


@pytest.mark.parametrize(
    "records",
    [
        [{"q": 1, "b": True, "r": 1.0}],
        [{"q": 2**60 + 1, "r": 1.0}],
        [{"r": 1.0}, {"r": 2.0}],
    ],
)
def test_optional_columns_are_read_as_mlflow_reads_them(
    optional: Path, records: list[dict[str, Any]]
) -> None:
    model = load(optional, columns=OPTIONAL, trust=Trust(pickle=True))
    rows = [tuple(record.get(column.name) for column in OPTIONAL) for record in records]
    mlflows = mlflow.pyfunc.load_model(str(optional))
    body = {"dataframe_records": records}
    frame = infer_and_parse_data(body, mlflows.metadata.get_input_schema())
    assert model.predict(rows) == mlflows.predict(frame)


def test_a_missing_boolean_is_not_false(optional: Path) -> None:
    """MLflow's own server makes it false."""
    model = load(optional, columns=OPTIONAL, trust=Trust(pickle=True))
    assert model.predict([(None, True, 1.0), (None, None, 2.0)]) == [
        "b:object,r:float64 [True, 1.0]",
        "b:object,r:float64 [None, 2.0]",
    ]


def test_a_missing_integer_is_refused_by_mlflow(optional: Path) -> None:
    model = load(optional, columns=OPTIONAL, trust=Trust(pickle=True))
    with pytest.raises(MlflowException) as refused:
        model.predict([(1, None, 1.0), (None, None, 2.0)])
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
