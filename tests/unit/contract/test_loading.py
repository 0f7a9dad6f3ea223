"""What an artifact needs is read from its description, without loading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from servestack_contract.loading import Loading, read_loading


def folder(root: Path, flavors: dict[str, Any], *files: str, **description: Any) -> Path:
    root.mkdir(exist_ok=True)
    (root / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors} | description))
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


def none_of(file: Path) -> list[str]:
    return []


PYFUNC = {"python_function": {"loader_module": "mlflow.pyfunc.model", "python_version": "3.10.4"}}
SKLEARN = {"pickled_model": "model.pkl", "sklearn_version": "1.5.2"}
LIGHTGBM = {
    "data": "model.skops",
    "lgb_version": "4.5.0",
    "model_class": "lightgbm.sklearn.LGBMClassifier",
}


@pytest.mark.parametrize(
    ("flavors", "files", "trust"),
    [
        ({"sklearn": SKLEARN}, ["model.pkl"], "pickle"),
        ({"sklearn": SKLEARN | {"pickled_model": "model.skops"}}, ["model.skops"], ""),
        ({"sklearn": SKLEARN | {"serialization_format": "skops"}}, ["model.pkl"], ""),
        ({"sklearn": SKLEARN | {"pickled_model": "m.skops", "serialization_format": "cloudpickle"}},
         ["m.skops"], "pickle"),
        ({"xgboost": {"data": "model.ubj"}} | PYFUNC, ["model.ubj"], ""),
        ({"lightgbm": {"data": "model.txt"}}, ["model.txt"], ""),
        ({"lightgbm": LIGHTGBM | {"data": "model.pkl"}}, ["model.pkl"], "pickle"),
        ({"lightgbm": LIGHTGBM}, ["model.skops"], ""),
        ({"pytorch": {"model_data": "data"}}, ["data/model.pth"], "pickle"),
        ({"pytorch": {"model_data": "data"}}, ["data/model.pt2"], ""),
        ({"keras": {"data": "data"}}, ["data/model.keras"], ""),
        (PYFUNC, [], "code"),
        ({"python_function": {"python_model": "python_model.pkl"}}, ["python_model.pkl"], "pickle"),
        ({"statsmodels": {"data": "m"}, "python_function": {"loader_module": "mlflow.statsmodels"}},
         [], "code"),
    ],
)  # fmt: skip
def test_trust(tmp_path: Path, flavors: dict[str, Any], files: list[str], trust: str) -> None:
    assert read_loading(folder(tmp_path / "m", flavors, *files), none_of).trust == trust


def test_a_class_of_the_owner_is_code(tmp_path: Path) -> None:
    metadata = {"servestack": {"class": "iris:Service"}}
    root = folder(tmp_path / "m", {"xgboost": {"data": "m.ubj"}}, "m.ubj", metadata=metadata)
    assert read_loading(root, none_of).trust == "code"


def test_versions_and_packages(tmp_path: Path) -> None:
    root = folder(tmp_path / "m", {"sklearn": SKLEARN} | PYFUNC, "model.pkl")
    (root / "requirements.txt").write_text(
        "# written by hand\nmlflow==3.5.0\nPandas[parquet]==2.2.3; python_version > '3.9'\n"
        "my.private_package\n-r other.txt\npkg @ https://example.com/pkg.whl\nnumpy>=1.26\n"
    )
    assert read_loading(root, none_of) == Loading(
        trust="pickle",
        python="3.10.4",
        packages={
            "mlflow": "3.5.0", "my-private-package": "", "numpy": "", "pandas": "2.2.3",
            "scikit-learn": "1.5.2",
        },
    )  # fmt: skip


def test_packages_of_conda(tmp_path: Path) -> None:
    root = folder(tmp_path / "m", PYFUNC)
    listed = {"dependencies": ["python=3.10.4", {"pip": ["prophet==1.1.6"]}]}
    (root / "conda.yaml").write_text(yaml.safe_dump(listed))
    assert read_loading(root, none_of).packages == {"prophet": "1.1.6"}


@pytest.mark.parametrize("text", ["", "[", "dependencies: 1", "dependencies: [{pip: 1}]", "- 1"])
def test_a_conda_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    root = folder(tmp_path / "m", PYFUNC)
    (root / "conda.yaml").write_text(text)
    assert read_loading(root, none_of).packages == {}


def test_types_in_a_skops_file_without_those_that_are_safe_in_it(tmp_path: Path) -> None:
    def types_in(file: Path) -> list[str]:
        assert file.name.endswith(".skops")
        return ["my_package.Scale", "lightgbm.basic.Booster"]

    (tmp_path / "m.skops").touch()
    bare = read_loading(tmp_path / "m.skops", types_in)
    assert bare.skops_types == ("lightgbm.basic.Booster", "my_package.Scale")
    root = folder(tmp_path / "m", {"lightgbm": LIGHTGBM}, "model.skops")
    assert read_loading(root, types_in).skops_types == ("my_package.Scale",)
    pickled = folder(tmp_path / "p", {"sklearn": SKLEARN}, "model.pkl")
    assert read_loading(pickled, types_in).skops_types == ()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["notes.md"], "not exactly one model file: none"),
        (["a.ubj", "b.onnx"], "not exactly one model file: a.ubj, b.onnx"),
        (["MLmodel"], "holds no mapping"),
    ],
)
def test_what_no_spec_can_make_servable(tmp_path: Path, files: list[str], words: str) -> None:
    """In the words of the server, which reads the artifact again."""
    from servestack_server.errors import StartError
    from servestack_server.models.mlmodel import read_artifact

    for name in files:
        (tmp_path / name).touch()
    assert words in read_loading(tmp_path, none_of).unservable
    with pytest.raises(StartError) as caught:
        read_artifact(tmp_path)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("flavors", "words"),
    [
        ({"crate": {"version": 1}}, "has no flavor that can be served: crate"),
        ({}, "has no flavor that can be served: none"),
        ({"xgboost": {"data": "model.ubj"}}, "does not have the file that MLmodel names"),
        ({"xgboost": {}}, "does not have the file that MLmodel names"),
    ],
)
def test_a_description_without_a_model(tmp_path: Path, flavors: dict[str, Any], words: str) -> None:
    assert words in read_loading(folder(tmp_path / "m", flavors), none_of).unservable


def test_an_archive_is_not_looked_into(tmp_path: Path) -> None:
    for name in ("model.zip", "model.tar.gz", "model.tgz", "model.tar"):
        (tmp_path / name).touch()
        assert read_loading(tmp_path / name, none_of) == Loading()
    (tmp_path / "model.exe").touch()
    assert read_loading(tmp_path / "model.exe", none_of).unservable
