"""A conversion that does not end, or is killed, costs the model its speed and nothing else."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.support.iris import Iris

from servestack_server.cli import main
from servestack_server.errors import StartError
from servestack_server.models.bake_alone import bake_alone
from servestack_server.settings_file import read_settings_file


@pytest.fixture
def settings_file(iris: Iris, tmp_path: Path) -> Path:
    """Settings of an iris that was never baked."""
    shutil.copytree(iris.folder, tmp_path / "iris")
    models = [{"name": "iris", "path": str(tmp_path / "iris")}]
    file = tmp_path / "service.json"
    file.write_text(json.dumps(iris.config(models=models)))
    return file


def run(file: Path, said: list[str], **changes: Any) -> int:
    settings = read_settings_file(file)
    return bake_alone(file, settings, settings.models[0], say=said.append, **changes)


def record(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((file.parent / "iris.baked/bake.json").read_text())
    return found


def python_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started instead of Python."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def test_one_that_takes_too_long_is_ended(
    settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python_that("exec sleep 60", tmp_path, monkeypatch)
    said: list[str] = []
    assert run(settings_file, said, seconds=0.1) == 0
    assert said == ["iris: served natively: the conversion took longer than 0.1 s"]
    assert record(settings_file)["kept"] is False
    monkeypatch.undo()
    assert main(["bake", f"--config={settings_file}", "--only=iris"]) == 0  # It is not tried again.
    assert record(settings_file)["reason"] == "the conversion took longer than 0.1 s"


def test_one_that_is_killed_is_told(
    settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python_that("kill -9 $$", tmp_path, monkeypatch)
    said: list[str] = []
    assert run(settings_file, said) == 0
    assert "ended by SIGKILL, perhaps for its memory" in said[0]


def test_where_onnx_is_required_it_is_an_error(
    settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text(
        json.dumps(json.loads(settings_file.read_text()) | {"runtime": "onnx"})
    )
    python_that("exec sleep 60", tmp_path, monkeypatch)
    with pytest.raises(StartError, match=r"took longer than 0\.1 s") as failed:
        run(settings_file, [], seconds=0.1)
    assert failed.value.hint == "set runtime: auto"
    assert not (tmp_path / "iris.baked").exists()


def test_it_is_converted_and_its_words_are_passed_on(
    settings_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["bake", f"--config={settings_file}"]) == 0
    assert "iris: served compiled" in capfd.readouterr().err
    assert record(settings_file)["kept"] is True
    (settings_file.parent / "iris/MLmodel").write_text("{")
    assert main(["bake", f"--config={settings_file}"]) == 1
    said = capfd.readouterr().err
    assert said.count("error: ") == 1
    assert "is not YAML" in said


def test_a_model_that_the_settings_do_not_have(settings_file: Path) -> None:
    assert main(["bake", f"--config={settings_file}", "--only=rose"]) == 1
