"""What is no model, or leads out of its folder, or needs a package that is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from serving_image.tests.models.model_support import load

from servestack_server.errors import StartError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flavors: [", "is not YAML"),
        ("- 1", "holds no mapping"),
        ("flavors: {spark: {}}", "no flavor that can be served: spark"),
        ("flavors: {sklearn: {pickled_model: ../../etc/passwd}}", "outside the model's folder"),
        ("flavors: {sklearn: {pickled_model: model.skops}}", "which does not exist"),
        ("flavors: {xgboost: {}}", "names no file"),
        ("#" * (5 << 20), "larger than 4 MiB"),
    ],
)
def test_a_wrong_mlmodel_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(StartError, match=message):
        load(tmp_path)


def test_merge_keys_are_refused_not_expanded(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)]
    (tmp_path / "MLmodel").write_text("\n".join([*lines, "flavors: {}"]))
    with pytest.raises(StartError, match=r"is not YAML.*merge"):
        load(tmp_path)


def test_a_missing_folder_and_an_unclear_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="does not exist"):
        load(tmp_path / "none")
    with pytest.raises(StartError, match="not exactly one model file: none"):
        load(tmp_path)
    (tmp_path / "a.onnx").touch()
    (tmp_path / "b.ubj").touch()
    with pytest.raises(StartError, match=r"a\.onnx, b\.ubj"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("flavor", "package"), [("catboost", "catboost"), ("keras", "keras"), ("pytorch", "torch")]
)
def test_a_missing_framework_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavor: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "MLmodel").write_text(f"flavors: {{{flavor}: {{data: data}}}}")
    with pytest.raises(StartError, match=f"image has no {package}"):
        load(tmp_path)
