"""A service that cases ask: its models, saved by MLflow, and the settings that serve them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow.pyfunc
from mlflow.models import ModelSignature
from mlflow.types import Schema
from serving_image.tests.conformance.peers import python_models

from servestack.resolve.model_facts import read_facts
from servestack.resolve.signature import input_of, params_of

Save = Callable[[Path], None]
"""Saves a model into a folder that does not exist."""

cloudpickle.register_pickle_by_value(python_models)


@dataclass(frozen=True)
class Service:
    """One service: how its models are saved, by name, and what its settings have further.

    What the `input` of the settings does not say, the first model's signature says, as the lock does.
    """

    models: Mapping[str, Save]
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"


@dataclass(frozen=True)
class Saved:
    """A service whose models are saved: its settings, its versions, and its first model's folder."""

    config: dict[str, Any]
    versions: dict[str, str]
    folder: Path


def save(service: Service, folder: Path) -> Saved:
    """Save the models of a service."""
    places = []
    for name, save_model in service.models.items():
        save_model(folder / name)
        places.append({"name": name, "path": str(folder / name)})
    first = folder / next(iter(service.models))
    config = {
        "name": "service",
        "models": places,
        "trust": {"pickle": True, "code": True},
        **_described(first),
    }
    given = dict(service.settings)
    given["input"] = config["input"] | given.get("input", {})
    versions = dict.fromkeys(service.models, service.version)
    return Saved(config | given, versions, first)


def _described(folder: Path) -> dict[str, Any]:
    """What the server's settings say of a model's input and params, if its owner says nothing."""
    signature = read_facts(folder).signature
    given = {"input": _plain(input_of(signature))}
    params = [_plain(param) for param in params_of(signature)]
    return given | ({"params": params} if params else {})


def _plain(given: Any) -> Any:
    return given.model_dump(mode="json", by_alias=True, exclude_none=True)


def python_model(predict: Any, signature: ModelSignature | None = None, hint: Any = None) -> Save:
    """How to save a Python model. Its input is what the signature says, or the type hint."""

    def save_model(folder: Path) -> None:
        mlflow.pyfunc.save_model(
            folder,
            python_model=python_models.model(predict, hint),
            signature=signature,
            pip_requirements=[],
        )

    return save_model


def inputs(*columns: Any, params: Any = None) -> ModelSignature:
    """A signature of columns or tensors."""
    return ModelSignature(inputs=Schema(list(columns)), params=params)
