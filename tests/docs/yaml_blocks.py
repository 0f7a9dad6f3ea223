"""Check YAML of the pages by servestack's own loader."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from servestack.spec.base import fields_of
from servestack.spec.environment import Environment
from servestack.spec.load import load_environment, load_folder, load_model_service
from servestack.spec.model_service import ModelService

OTHERS = ("Application", "GitRepository", "Kustomization")
"""Kinds of other programs, which only have to be YAML here."""

_FIELDS = {model: set(fields_of(model)) for model in (ModelService, Environment)}
_LOADERS: dict[str, Callable[[Path], object]] = {
    "ModelService": load_model_service,
    "Environment": load_environment,
    "Folder": load_folder,
}
_BASE: dict[type, dict[str, Any]] = {
    ModelService: {"name": "iris", "artifact": "models:/iris@production"},
    Environment: {
        "name": "prod",
        "namespace": "models",
        "cluster": {"context": "prod"},
        "images": {"server": {"repository": "registry.example.com/serving", "tag": "1"}},
        "mlflow": {"trackingUri": "http://127.0.0.1:5000"},
    },
}


def check(text: str, folder: Path) -> None:
    """Load every document of a block. A part of a file is put into a minimal one.

    Raises SpecError for a spec or an environment with a problem, AssertionError for a kind that
    nobody knows.
    """
    for data in yaml.safe_load_all(text):
        kind = data.get("kind")
        if kind in OTHERS:
            assert data["apiVersion"] and data["metadata"]["name"], kind
            continue
        if data.keys() >= {"jobs", "permissions"}:
            continue  # A workflow of GitHub: test_gitops_page.py runs it, and actionlint reads it.
        if data.keys() >= {"route", "receivers"}:
            continue  # Alertmanager's: tests/real/test_alertmanager.py asks its own tool.
        if kind is None:
            text, kind = _completed(data)
        assert kind in _LOADERS, f"{kind}: no kind of ours or of {OTHERS}"
        _load(text, kind, folder)


def _completed(part: dict[str, Any]) -> tuple[str, str]:
    """(text of a whole file, its kind)"""
    model = next((model for model, fields in _FIELDS.items() if set(part) <= fields), None)
    assert model is not None, f"neither a spec nor an environment has all of {sorted(part)}"
    whole = {"apiVersion": "servestack/v1", "kind": model.__name__} | _BASE[model] | part
    return yaml.safe_dump(whole, sort_keys=False), model.__name__


def _load(text: str, kind: str, folder: Path) -> None:
    found = re.search(r"^name: *(\S+)", text, re.MULTILINE)
    file = folder / f"{found[1] if found else 'nameless'}.yaml"
    file.write_text(text, encoding="utf-8")
    _LOADERS[kind](file)
