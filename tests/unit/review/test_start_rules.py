"""What check says of models that would not start, or not as their owner expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.review.policy.registry import RULES
from servestack.review.policy.rule import Subject, Violation
from servestack_contract.loading import Loading
from servestack_contract.sources import SCHEMES
from servestack_contract.stock_image import PYTHON, packages_in
from tests.support.services import resolved

ARRAYS = [{"name": "scores", "type": "array", "items": {"type": "double"}, "required": True}]
SEVERAL = [
    {"type": "tensor", "name": name, "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}
    for name in "ab"
]


def said(folder: Path, id: str, **given: Any) -> list[Violation]:
    """What one rule says of a service; arguments as `resolved` takes them."""
    (rule,) = (rule for rule in RULES if rule.id == id)
    return list(rule.check(Subject(resolved(folder, **given), ())))


def only(violations: list[Violation]) -> Violation:
    (violation,) = violations
    return violation


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("adl://account.azuredatalakestore.net/model", "not fetched from adl:"),
        ("ftp://models.example.com/iris", "not fetched from ftp:"),
        ("wasbs://container:key@account.blob.core.windows.net/model", "must hold no credentials"),
        ("wasbs://container/model", "names no account"),
        ("abfss://container@account/model", "names no container, account and path"),
        ("abfss://account.dfs.core.windows.net/model", "has the account in place of the container"),
        ("az://container", "names no container, account and path"),
        ("dbfs:/databricks/mlflow-registry/1/model", "only MLflow's own client read"),
        ("dbfs:/databricks/mlflow-tracking/1/2/artifacts/model", "only MLflow's own client read"),
        ("dbfs://profile@databricks/models/iris", "names the workspace databricks"),
        ("dbfs:models/iris", "names no path"),
        ("hdfs://hdfs:key@namenode/models/iris", "must hold no credentials"),
        ("hdfs://namenode:rpc/models/iris", "its port is not a number"),
        ("webhdfs:///models/iris", "names no namenode and path"),
        ("http://models.example.com/iris.onnx", "plain http can be changed in transit"),
        ("models:/iris/3", "can stand for another artifact later"),
        ("s3://bucket", "needs a bucket and a path"),
        ("file://another-machine/models", "names another machine"),
        ("mlflow-artifacts:/1/../2", "leads out of the folder"),
    ],
)
def test_source_not_fetchable(tmp_path: Path, source: str, words: str) -> None:
    """By the function that fetch calls first."""
    from servestack_server.errors import StartError
    from servestack_server.fetch.sources.choose import choose_source

    found = only(said(tmp_path, "SRV626", artifact={"source": source}))
    assert words in found.message
    assert "key" not in found.message
    with pytest.raises(StartError) as caught:
        choose_source(source)
    assert (caught.value.message, caught.value.hint) == (found.message, found.hint)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_the_table_has_is_fetched(
    tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from servestack_server.fetch.sources.choose import choose_source

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow")
    azure = f"{scheme}://models@growth.blob.core.windows.net/iris"
    source = {
        "": "/srv/iris", "file": "file:iris", "mlflow-artifacts": "mlflow-artifacts:/1/iris",
        "dbfs": "dbfs:/Volumes/growth/ml/models/iris", "wasb": azure, "wasbs": azure, "abfss": azure,
    }  # fmt: skip
    address = source.get(scheme, f"{scheme}://host/iris")
    environment = {"mlflow": {"trackingUri": "http://mlflow"}}
    assert not said(tmp_path, "SRV626", artifact={"source": address}, environment=environment)
    assert choose_source(address)


@pytest.mark.parametrize(
    ("mlflow", "is_refused"),
    [
        (None, True),
        ({"trackingUri": "sqlite:///mlflow.db"}, True),
        ({"trackingUri": "databricks"}, True),
        ({"trackingUri": "http://mlflow", "clusterUri": "mlflow.mlflow:5000"}, True),
        ({"trackingUri": "sqlite:///mlflow.db", "clusterUri": "http://mlflow"}, False),
        ({"trackingUri": "https://mlflow.example.com"}, False),
    ],
)
def test_artifacts_that_mlflow_serves_need_its_address(
    tmp_path: Path, mlflow: dict[str, str] | None, is_refused: bool
) -> None:
    found = said(
        tmp_path, "SRV626", artifact={"source": "mlflow-artifacts:/1/iris"},
        environment={"mlflow": mlflow},
    )  # fmt: skip
    assert bool(found) == is_refused
    assert all(violation.environment and violation.path == ("mlflow",) for violation in found)


def test_an_artifact_that_is_too_large_to_be_fetched(tmp_path: Path) -> None:
    found = only(said(tmp_path, "SRV626", artifact={"size_bytes": 20 * 2**30 + 1}))
    assert "put a model of this size into the image" in found.hint


def test_what_is_in_the_image_is_not_judged(tmp_path: Path) -> None:
    spec = {"artifact": "/opt/models/iris", "runtime": "onnx"}
    for id in ("SRV626", "SRV627", "SRV630", "SRV631", "SRV632", "SRV634", "SRV635"):
        assert not said(tmp_path, id, spec=spec)


def test_example_wrong_width(tmp_path: Path) -> None:
    found = only(said(tmp_path, "SRV628", spec={"api": {"input": {"example": [[1, 2, 3]]}}}))
    assert found.path == ("api", "input", "example")
    assert "row 0: expected 2 values, one for each column, got 3" in found.message


def test_redact_unknown(tmp_path: Path) -> None:
    spec = {"logging": {"predictions": {"redact": {"Age": "hash", "sepal_width": "drop"}}}}
    found = only(said(tmp_path, "SRV628", spec=spec))
    assert found.path == ("logging", "predictions", "redact", "Age")
    assert found.message == "no column, tensor or param is called 'Age'"
    assert found.hint == "the names are sepal_length, sepal_width"


def test_what_is_redacted_may_be_a_param(tmp_path: Path) -> None:
    params = [{"name": "user", "type": "string", "default": "", "shape": None}]
    inputs = [{"name": "email", "type": "string"}]
    spec = {"logging": {"predictions": {"redact": {"user": "drop", "usr": "drop"}}}}
    artifact = {"signature": {"inputs": inputs, "params": params}}
    found = only(said(tmp_path, "SRV628", spec=spec, artifact=artifact))
    assert (found.path[-1], found.hint) == ("usr", "the names are email, user")


def test_names_of_an_input_that_nothing_describes_are_left_to_the_model(tmp_path: Path) -> None:
    """An ONNX graph may name its tensors itself."""
    spec = {"logging": {"predictions": {"redact": {"x": "drop"}}}}
    assert not said(tmp_path, "SRV628", spec=spec, artifact={"signature": None})


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    """A DataFrame may have them, and so a signature."""
    inputs = [{"name": "a", "type": "double", "required": True}] * 2
    found = only(said(tmp_path, "SRV628", artifact={"signature": {"inputs": inputs}}))
    assert found.message == "two columns are called 'a'"


def test_redaction_of_a_tensor(tmp_path: Path) -> None:
    spec = {
        "api": {"input": {"tensor": {"dtype": "float32", "shape": [-1, 2]}}},
        "logging": {"predictions": {"redact": {"a": "hash"}}},
    }
    assert only(said(tmp_path, "SRV628", spec=spec)).hint == "nothing in a request has a name"


@pytest.mark.parametrize("column", ["country", "Sepal_length"])
def test_a_router_by_a_column_that_is_not_there(tmp_path: Path, column: str) -> None:
    inner = {
        "kind": "router",
        "column": column,
        "cases": [{"equals": 1, "node": "a"}],
        "otherwise": "b",
    }
    graph = {"kind": "ensemble", "nodes": [inner, "b"], "combine": "object"}
    models = [{"name": name, "artifact": f"models:/{name}/1"} for name in "ab"]
    spec = {"artifact": None, "models": models, "graph": graph}
    assert repr(column) in only(said(tmp_path, "SRV628", spec=spec)).message


def test_signature_of_arrays(tmp_path: Path) -> None:
    """An array is checked. What is not is named, and not called a missing signature."""
    arrays = {"signature": {"inputs": ARRAYS}}
    assert not said(tmp_path, "SRV624", artifact=arrays)
    example = {"api": {"input": {"example": [{"scores": ["a"]}]}}}
    found = only(said(tmp_path, "SRV628", artifact=arrays, spec=example))
    assert "column 'scores[0]': expected a number, got a string" in found.message
    strange = {"name": "c", "type": "array", "items": {"type": "sparse"}}
    for inputs, types in (
        ([*ARRAYS, strange], "sparse"),
        (
            [{"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}}],
            "tensor of complex64",
        ),
        (
            [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": []}}],
            "tensor without an axis",
        ),
    ):
        found = only(said(tmp_path, "SRV624", artifact={"signature": {"inputs": inputs}}))
        assert found.message == f"the signature has types that are not checked: {types}"


def test_a_trusted_pickle_may_run_code(tmp_path: Path) -> None:
    for loading in (Loading(trust="code"), Loading(trust="pickle")):
        spec = {"trust": {"pickle": True}}
        assert not said(tmp_path, "SRV627", spec=spec, artifact={"loading": loading})
    found = only(
        said(
            tmp_path, "SRV627", spec={"trust": {"code": True}},
            artifact={"loading": Loading(trust="pickle")},
        )
    )  # fmt: skip
    assert found.path == ("trust", "pickle")


def test_types_in_a_skops_file(tmp_path: Path) -> None:
    loading = Loading(skops_types=("a.B", "a.C"))
    spec = {"trust": {"skopsTypes": ["a.B"]}}
    found = only(said(tmp_path, "SRV627", spec=spec, artifact={"loading": loading}))
    assert found.hint.endswith("trust: {skopsTypes: [a.C]}")


@pytest.mark.parametrize(
    ("flavor", "loading", "words", "hint"),
    [
        ("pyfunc", Loading(module="mlflow.statsmodels"), "statsmodels", "build one, as docs/how-to"),
        ("pyfunc", Loading(module="mlflow.prophet"), "prophet", "build one, as docs/how-to"),
        ("pyfunc", Loading(module="mlflow.spacy"), "spacy", "build one, as docs/how-to"),
        ("spark", Loading(), "pyspark", "build one, as docs/how-to"),
        ("transformers", Loading(packages={"torch": "2.8.0"}), "transformers, torch", "no image here"),
        ("pyfunc", Loading(packages={"torch": "2.8.0", "numpy": ""}), "torch", "the pytorch variant"),
        ("pytorch", Loading(trust="pickle"), "torch", "the pytorch variant of the image"),
        ("keras", Loading(), "keras", "the keras variant of the image"),
        ("catboost", Loading(), "catboost", "no image here has catboost"),
    ],
)  # fmt: skip
def test_packages_that_the_image_lacks(
    tmp_path: Path, flavor: str, loading: Loading, words: str, hint: str
) -> None:
    artifact = {"flavor": flavor, "loading": loading}
    found = only(said(tmp_path, "SRV631", artifact=artifact))
    assert f"was logged with {words}, which the base variant" in found.message
    assert hint in found.hint
    own = {"image": {"repository": "registry.example.com/own", "tag": "1"}}
    assert not said(tmp_path, "SRV631", artifact=artifact, spec=own)


def test_the_variant_stands_in_the_tag(tmp_path: Path) -> None:
    server = {"repository": "registry.example.com/serving", "tag": "0.1.0-pytorch"}
    given = {"environment": {"images": {"server": server}}}
    assert not said(tmp_path, "SRV631", artifact={"flavor": "pytorch"}, **given)
    found = only(said(tmp_path, "SRV631", artifact={"flavor": "keras"}, **given))
    assert "which the pytorch variant of the stock image does not have" in found.message


def test_a_model_of_the_stock_image_lacks_nothing(tmp_path: Path) -> None:
    packages = {"mlflow": "3.5.0", "xgboost": "2.1.0", "scikit-learn": "", "numpy": "2.0.0"}
    for flavor in ("sklearn", "xgboost", "lightgbm", "onnx", "pyfunc", ""):
        artifact = {"flavor": flavor, "loading": Loading(packages=packages)}
        assert not said(tmp_path, "SRV631", artifact=artifact)


def test_both_versions_are_named(tmp_path: Path) -> None:
    here = packages_in("base")["scikit-learn"]
    loading = Loading(trust="pickle", python="3.8.10", packages={"scikit-learn": "1.0.2"})
    python, sklearn = said(tmp_path, "SRV632", artifact={"loading": loading})
    assert f"saved with Python 3.8.10, the stock image has {PYTHON}" in python.message
    assert f"saved with scikit-learn 1.0.2, the stock image has {here}" in sklearn.message
    assert "may fail, or silently give other answers" in sklearn.hint


@pytest.mark.parametrize(
    "loading",
    [
        Loading(python="3.8.10"),  # A native format does not depend on it.
        Loading(trust="pickle", python=f"{PYTHON}.99"),
        Loading(packages={"scikit-learn": packages_in("base")["scikit-learn"] + ".post1"}),
        Loading(packages={"numpy": "1.0.0"}),
    ],
)
def test_versions_that_fit(tmp_path: Path, loading: Loading) -> None:
    assert not said(tmp_path, "SRV632", artifact={"loading": loading})


def test_several_tensors_for_a_model_that_takes_one(tmp_path: Path) -> None:
    signature = {"inputs": SEVERAL}
    found = only(said(tmp_path, "SRV630", artifact={"signature": signature}))
    assert "the input has 2 tensors" in found.message
    assert not said(tmp_path, "SRV630", artifact={"signature": signature, "flavor": "onnx"})
    assert not said(tmp_path, "SRV630", artifact={"signature": signature, "flavor": "transformers"})


def test_an_artifact_that_no_spec_can_serve(tmp_path: Path) -> None:
    loading = Loading(unservable="has no flavor that can be served: crate")
    found = only(said(tmp_path, "SRV630", artifact={"loading": loading, "flavor": ""}))
    assert found.message == "iris has no flavor that can be served: crate"


def test_params_that_only_the_framework_takes(tmp_path: Path) -> None:
    params = {"params": [{"name": "t", "type": "double", "default": 1.0, "shape": None}]}
    artifact = {"flavor": "xgboost", "signature": params}
    assert said(tmp_path, "SRV630", spec={"runtime": "onnx"}, artifact=artifact)
    assert not said(tmp_path, "SRV630", artifact=artifact)
    torch = {"flavor": "pytorch", "signature": params, "loading": Loading()}
    assert only(said(tmp_path, "SRV627", artifact=torch)).path == ("trust", "pickle")


def test_size_against_memory_and_disk(tmp_path: Path) -> None:
    spec = {"resources": {"memory": "256Mi", "limits": {"ephemeralStorage": "2Gi"}}}
    found = only(said(tmp_path, "SRV635", spec=spec, artifact={"size_bytes": (256 << 20) + 1}))
    assert "the artifacts have 257Mi, and the server may use 256Mi of memory" in found.message
    memory, disk = said(tmp_path, "SRV635", spec=spec, artifact={"size_bytes": 2 << 30})
    assert (memory.path[-1], disk.path[-1]) == ("memory", "ephemeralStorage")
