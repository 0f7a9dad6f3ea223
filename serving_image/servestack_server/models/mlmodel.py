"""Reads the description of an artifact, without loading the model.

In MLflow's format an artifact is a folder with an `MLmodel` file in YAML (MLflow, "MLflow Models",
storage format). A single model file, or a folder that holds one, is recognised by its suffix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servestack_contract.artifact import ArtifactError
from servestack_contract.loading import model_files
from servestack_contract.mlmodel import (
    FILE,
    FLAVOR_BY_SUFFIX,
    SERVED_FLAVORS,
    mapping,
    read_mlmodel,
)
from servestack_server.errors import StartError


@dataclass(frozen=True, slots=True)
class Artifact:
    """The description of an artifact.

    `root` is the folder (or single file), and `data` the model file, None if the flavor has none.
    `settings` are the flavor's own, `pyfunc` those of python_function. `framework_version` is the
    version that saved the model, empty if unknown. `code` is the folder with the owner's modules,
    and `service_class` the owner's class in it, as `module:Class`.
    """

    root: Path
    flavor: str
    data: Path | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pyfunc: Mapping[str, Any] = field(default_factory=dict)
    framework_version: str = ""
    predict_fn: str = "predict"
    code: Path | None = None
    service_class: str = ""

    @property
    def model_file(self) -> Path:
        """The path of the model file. Raises StartError if it does not exist."""
        if self.data is None:
            raise StartError(f"{self.root}: the {self.flavor} model names no file as its data")
        if not self.data.exists():
            raise StartError(
                f"{self.root}: the {self.flavor} model names {self.data.name} as its data, which "
                "does not exist"
            )
        return self.data


def read_artifact(root: Path) -> Artifact:
    """Read the artifact at `root`. Raises StartError if it is not a model that the server knows."""
    if root.is_file():
        return _bare(root, root)
    if not root.is_dir():
        raise StartError(f"{root}: does not exist", "fetch the model first")
    if not (root / FILE).is_file():
        return _bare(root, _only_model_file(root))
    description = _read_mlmodel(root)
    flavors = mapping(description.get("flavors"))
    pyfunc = mapping(flavors.get("python_function"))
    flavor = next((name for name in SERVED_FLAVORS if name in flavors), "pyfunc")
    settings = mapping(flavors.get(flavor)) if flavor != "pyfunc" else pyfunc
    if flavor == "pyfunc" and not pyfunc:
        raise StartError(
            f"{root}/MLmodel: has no flavor that can be served: {', '.join(sorted(flavors)) or 'none'}",
            f"log the model with one of {', '.join(SERVED_FLAVORS)} or pyfunc",
        )
    servestack = mapping(mapping(description.get("metadata")).get("servestack"))
    served = SERVED_FLAVORS.get(flavor)
    data = settings.get(served.data_key if served else "data") or pyfunc.get("data")
    code = settings.get("code") or pyfunc.get("code")
    return Artifact(
        root=root,
        flavor=flavor,
        data=_inside(root, data),
        settings=settings,
        pyfunc=pyfunc,
        framework_version=str((settings.get(served.version_key) if served else "") or ""),
        predict_fn=str(pyfunc.get("predict_fn") or "predict"),
        code=_inside(root, code) or _code_folder(root),
        service_class=str(servestack.get("class") or ""),
    )


def _bare(root: Path, file: Path) -> Artifact:
    flavor = FLAVOR_BY_SUFFIX.get(file.suffix.lower())
    if flavor is None:
        raise StartError(
            f"{file}: is not a model that the server knows",
            f"use an MLflow folder, or a file ending in {', '.join(sorted(FLAVOR_BY_SUFFIX))}",
        )
    return Artifact(root=root, flavor=flavor, data=file, code=_code_folder(root))


def _code_folder(root: Path) -> Path | None:
    return root / "code" if (root / "code").is_dir() else None


def _only_model_file(folder: Path) -> Path:
    found = model_files(folder)
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise StartError(
            f"{folder}: has no MLmodel file, and not exactly one model file: {names}",
            "log the model with MLflow, or leave one model file in the folder",
        )
    return found[0]


def _inside(root: Path, name: Any) -> Path | None:
    """Return a path that MLmodel names. Raises StartError if it leads out of the folder."""
    if not isinstance(name, str) or not name:
        return None
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise StartError(f"{root}/MLmodel: {name!r} is outside the model's folder")
    return path


def _read_mlmodel(root: Path) -> Mapping[str, Any]:
    try:
        return read_mlmodel(root / FILE)
    except ArtifactError as error:
        raise StartError(str(error)) from None
