"""What loading an artifact needs: the spec's trust, packages, and a version of Python.

The lock records it (`read_loading`), and the server decides by the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from servestack_contract.artifact import ArtifactError
from servestack_contract.mlmodel import (
    AMBIGUOUS_SUFFIXES,
    FILE,
    FLAVOR_BY_SUFFIX,
    SERVED_FLAVORS,
    NoMergeLoader,
    mapping,
    read_mlmodel,
)

PICKLERS = frozenset({"pickle", "cloudpickle", "joblib", "dill"})
"""Values of `serialization_format` in MLflow's flavors that mean pickle under any file name."""
SAFE_LIGHTGBM_TYPES = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMModel",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
)
"""Safe in a skops file: there they hold only the text of the native format and plain settings."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Suffixes of files that fetch unpacks. The lock does not look into them."""
_BOOSTER = "lightgbm.basic.Booster"
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "pytorch": "torch", "spark": "pyspark"}
"""Names of packages that are not those of MLflow's flavors."""
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*(==\s*(?P<version>[A-Za-z0-9.+!_-]+))?"
)
_MAX_TEXT_BYTES = 1 << 20

Trusted = Literal["", "pickle", "code"]
TypesIn = Callable[[Path], Iterable[str]]
"""Returns the types in a skops file that skops does not trust by itself."""


class Loading(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """What loading needs.

    `trust` is what the spec must trust, and `skops_types` are types in a skops file that skops does
    not trust by itself. `python` is the version that saved the model. `packages` are those that MLflow has
    written down for it, with their versions, empty where none is pinned. `module` is the loader
    of a pyfunc model, such as `mlflow.statsmodels`. `unservable` says why the server refuses the
    artifact whatever the spec says; empty if it does not.
    """

    trust: Trusted = ""
    skops_types: tuple[str, ...] = ()
    python: str = ""
    packages: dict[str, str] = {}
    module: str = ""
    unservable: str = ""


def read_loading(root: Path, types_in: TypesIn) -> Loading:
    """Read what an artifact needs, without loading it. What cannot be read is left out."""
    if root.is_file() or not (root / FILE).is_file():
        return _of_bare_model(root, types_in)
    try:
        description = read_mlmodel(root / FILE)
    except ArtifactError as error:
        return Loading(unservable=f"{FILE} {error.reason}")
    flavors = mapping(description.get("flavors"))
    pyfunc = mapping(flavors.get("python_function"))
    flavor = next((name for name in SERVED_FLAVORS if name in flavors), "pyfunc")
    if flavor == "pyfunc" and not pyfunc:
        names = ", ".join(sorted(map(str, flavors))) or "none"
        return Loading(unservable=f"has no flavor that can be served: {names}")
    settings = mapping(flavors.get(flavor))
    served = SERVED_FLAVORS.get(flavor)
    data = settings.get(served.data_key if served else "data") or pyfunc.get("data")
    file = root / data if isinstance(data, str) and data else None
    trust = trust_of_model(flavor, settings, pyfunc, file)
    servestack = mapping(mapping(description.get("metadata")).get("servestack"))
    if not trust and servestack.get("class"):
        trust = "code"
    is_missing = served is not None and (file is None or not file.exists())
    is_skops = file is not None and is_estimator(flavor, settings) and trust != "pickle"
    return Loading(
        trust=trust,
        skops_types=_untrusted(file, flavor, types_in) if is_skops and file is not None else (),
        python=str(pyfunc.get("python_version") or ""),
        packages=_packages(root, flavors),
        module=str(pyfunc.get("loader_module") or "") if flavor == "pyfunc" else "",
        unservable=f"does not have the file that {FILE} names as its data" if is_missing else "",
    )


def trust_of_model(
    flavor: str, settings: Mapping[str, Any], pyfunc: Mapping[str, Any], data: Path | None
) -> Trusted:
    """Return what the spec must trust before the model's own files may be read.

    `settings` are those of the flavor in MLmodel, `pyfunc` those of python_function, and `data` is
    the model's file or folder.
    """
    if flavor == "pyfunc":
        return "pickle" if is_pickled_pyfunc(pyfunc) else "code"
    if flavor == "pytorch":
        return "" if data is not None and is_exported(data) else "pickle"
    if is_estimator(flavor, settings) and not (data is not None and is_skops(settings, data)):
        return "pickle"
    return ""


def is_estimator(flavor: str, settings: Mapping[str, Any]) -> bool:
    """Whether the model's file holds an estimator, as skops or pickle, and not a native format."""
    if flavor == "lightgbm":
        return str(settings.get("model_class") or _BOOSTER) != _BOOSTER
    return flavor == "sklearn"


def is_skops(settings: Mapping[str, Any], file: Path) -> bool:
    """Whether the flavor names the skops format; if it names none, the file's suffix decides."""
    said = settings.get("serialization_format")
    return said == "skops" or (said not in PICKLERS and file.suffix == ".skops")


def is_exported(data: Path) -> bool:
    """Whether a PyTorch model's folder holds an exported program, and no pickled module."""
    return (data / "model.pt2").is_file() and not (data / "model.pth").exists()


def is_pickled_pyfunc(pyfunc: Mapping[str, Any]) -> bool:
    """Whether a pyfunc model is a pickled object, and not a script or a loader's module."""
    return bool(pyfunc.get("python_model"))


def _of_bare_model(root: Path, types_in: TypesIn) -> Loading:
    """Of a model file, or of a folder that has one."""
    if root.is_file():
        if root.name.lower().endswith(ARCHIVES):
            return Loading()
        if root.suffix.lower() not in FLAVOR_BY_SUFFIX:
            return Loading(unservable="is not a model that the server knows")
        file = root
    else:
        found = model_files(root)
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            return Loading(
                unservable=f"has no {FILE} file, and not exactly one model file: {names}"
            )
        file = found[0]
    flavor = FLAVOR_BY_SUFFIX[file.suffix.lower()]
    trust = trust_of_model(flavor, {}, {}, file)
    is_skops = is_estimator(flavor, {}) and not trust
    return Loading(trust, _untrusted(file, flavor, types_in) if is_skops else ())


def model_files(folder: Path) -> list[Path]:
    """Return the files of a folder without MLmodel that are models, by their suffixes."""
    known = sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix.lower() in FLAVOR_BY_SUFFIX
    )
    return [file for file in known if file.suffix.lower() not in AMBIGUOUS_SUFFIXES] or [
        file for file in known if file.name != "requirements.txt"
    ]


def _untrusted(file: Path, flavor: str, types_in: TypesIn) -> tuple[str, ...]:
    safe = SAFE_LIGHTGBM_TYPES if flavor == "lightgbm" else ()
    return tuple(sorted(set(types_in(file)) - set(safe)))


def _packages(root: Path, flavors: Mapping[str, Any]) -> dict[str, str]:
    """Return the packages of requirements.txt, or else of conda.yaml, and the frameworks' own."""
    packages = dict(_requirements(_text(root / "requirements.txt").splitlines()))
    if not packages:
        packages = dict(_requirements(_of_conda(_text(root / "conda.yaml"))))
    for flavor, settings in flavors.items():
        served = SERVED_FLAVORS.get(flavor)
        key = served.version_key if served else f"{flavor}_version"
        version = mapping(settings).get(key) if flavor != "python_function" else None
        if version:
            packages[distribution_of(flavor)] = str(version)
    return dict(sorted(packages.items()))


def distribution_of(flavor: str) -> str:
    """Return the name of the package behind a flavor of MLflow."""
    return _DISTRIBUTIONS.get(flavor, flavor)


def _requirements(lines: Any) -> Iterator[tuple[str, str]]:
    for line in lines:
        text = str(line).partition("#")[0].partition(";")[0].strip()
        match = _REQUIREMENT.match(text)
        if match is None or " @ " in text:
            continue
        name = re.sub(r"[-_.]+", "-", match["name"]).lower()
        yield name, match["version"] or ""


def _of_conda(text: str) -> list[Any]:
    try:
        listed = mapping(yaml.load(text, NoMergeLoader))
    except (ValueError, RecursionError, yaml.YAMLError):
        return []
    dependencies = listed.get("dependencies")
    for part in dependencies if isinstance(dependencies, list) else ():
        pip = mapping(part).get("pip")
        if isinstance(pip, list):
            return pip
    return []


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _MAX_TEXT_BYTES:
            return ""
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
