"""The owner's class: preprocessing, postprocessing, and prediction that uses the model's own.

    class IrisService:                          # code/iris_service.py of the artifact
        def __init__(self, folder: Path): ...   # the artifact's folder; may be left out
        def preprocess(self, rows): ...         # rows of one request, returns rows
        def predict(self, inputs, model): ...   # a batch; model.predict is the model's own
        def postprocess(self, outputs): ...     # outputs of one request, returns outputs

Each method may be left out. MLmodel names it: `metadata: {servestack: {class: "module:Class"}}`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from servestack_contract.settings import Trust
from servestack_server.errors import StartError
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.owner_code import add_code, describe_failure
from servestack_server.models.trusting import require_code

_NAME = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<cls>[A-Za-z_]\w*)")
_ARGUMENTS = {"preprocess": 1, "predict": 2, "postprocess": 1}


def load_service(artifact: Artifact, trust: Trust) -> object | None:
    """Create an instance of the class that the artifact names; None if it names none.

    Raises StartError if the spec does not trust code, or the code fails. In the second case the
    message has the owner's file and line.
    """
    if not artifact.service_class:
        return None
    what = f"{artifact.root.name}: the class {artifact.service_class}"
    require_code(trust, what)
    name = _NAME.fullmatch(artifact.service_class)
    if name is None:
        raise StartError(
            f"{what} does not have the form module:Class",
            'write for example "iris_service:IrisService"',
        )
    if artifact.code is None:
        raise StartError(
            f"{what}: the artifact has no code folder", "log the model with code_paths"
        )
    add_code(artifact.code)
    try:
        cls = getattr(importlib.import_module(name["module"]), name["cls"], None)
        if not isinstance(cls, type):
            raise StartError(f"{what}: {name['module']} has no class {name['cls']}")
        instance: object = cls(artifact.root) if _takes_folder(cls) else cls()
    except StartError:
        raise
    except (Exception, SystemExit) as error:  # the owner's code can raise anything
        raise StartError(f"{what} fails: {describe_failure(error, artifact.code)}") from None
    _check_methods(instance, what)
    return instance


def _takes_folder(cls: type) -> bool:
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        parameter.kind
        in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
        for parameter in parameters
    )


def _check_methods(instance: object, what: str) -> None:
    methods: dict[str, Any] = {
        name: getattr(instance, name) for name in _ARGUMENTS if hasattr(instance, name)
    }
    if not methods:
        raise StartError(f"{what} has none of {', '.join(_ARGUMENTS)}")
    for name, method in methods.items():
        if not callable(method) or inspect.iscoroutinefunction(method):
            raise StartError(f"{what}: {name} is not a plain method")
        try:
            inspect.signature(method).bind(*range(_ARGUMENTS[name]))
        except TypeError:
            wanted = "(inputs, model)" if name == "predict" else "one argument"
            raise StartError(f"{what}: {name} must take {wanted}") from None
        except ValueError:
            continue  # a compiled method without a signature
