"""Models of MLflow's python_function flavor with their own code, loaded by MLflow itself."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servestack_contract.loading import is_pickled_pyfunc
from servestack_contract.settings import NESTED_TYPES, Column, Input, Tensor, Trust
from servestack_contract.stock_image import variant_hint
from servestack_server.errors import StartError
from servestack_server.input.language_models import LoneBody
from servestack_server.models.by_row import by_row
from servestack_server.models.frames import build_frame_maker
from servestack_server.models.lean_import import forget_lean
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Loaded, Rows, Whole
from servestack_server.models.nested import for_hint_of
from servestack_server.models.owner_code import add_code, describe_failure
from servestack_server.models.trusting import require_code, require_pickle
from servestack_server.models.versions import warn_other_version


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load a pickled PythonModel, a script of models-from-code, or the owner's loader module."""
    name = artifact.root.name
    if is_pickled_pyfunc(artifact.pyfunc) or artifact.flavor == "pytorch":
        require_pickle(trust, f"{name}: the Python model")
        pickled = True
    else:
        if artifact.flavor == "pyfunc":
            require_code(trust, f"{name}: {artifact.pyfunc.get('loader_module')}")
        pickled = False
    saved_with = str(artifact.pyfunc.get("python_version") or "")
    warn_other_version("Python", saved_with, platform.python_version(), pickled=pickled)
    model = _load_pyfunc(artifact)
    make_input = _input_maker(given, artifact, model)
    params_schema = model.metadata.get_params_schema()
    names = {param.name for param in params_schema or ()}

    def whole(rows: Rows) -> Any:
        # MLflow's server hands a language model's body over with params, of which it may have none.
        is_lone = len(rows) == 1 and isinstance(rows[0], LoneBody)
        return model.predict(make_input(rows), **({"params": {}} if is_lone else {}))

    def whole_with(rows: Rows, params: dict[str, Any]) -> Any:
        own = {key: copy.deepcopy(value) for key, value in params.items() if key in names}
        return model.predict(make_input(rows), params=own)

    is_owners = artifact.flavor == "pyfunc"  # others are here only for their params
    return Loaded(
        lambda rows: by_row(whole(rows)),
        model,
        predict_with=(lambda rows, params: by_row(whole_with(rows, params))) if names else None,
        whole=Whole(whole, by_row=False, predict_with=whole_with) if is_owners else None,
    )


def _load_pyfunc(artifact: Artifact) -> Any:
    forget_lean("sklearn", "xgboost", "lightgbm")  # the owner's code needs the full packages
    add_code(artifact.code)
    import mlflow.pyfunc

    try:
        return mlflow.pyfunc.load_model(str(artifact.root))
    except (Exception, SystemExit) as error:  # the owner's code can raise anything
        reason = describe_failure(error, artifact.root)
        message = f"{artifact.root.name}: cannot be loaded: {reason}"
        raise StartError(message, _missing_package(error)) from None


def _missing_package(error: BaseException) -> str:
    """Return which image has the package that an import has not found; empty for another error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    return variant_hint(error.name.partition(".")[0])


def _input_maker(given: Input, artifact: Artifact, model: Any) -> Callable[[Any], Any]:
    """Return the function from rows to the model's input.

    It makes a DataFrame for columns, an array for a tensor, a mapping for named tensors, as MLflow
    asks for them, or a list if the type hints ask for it.
    """
    if len(given.arrays) > 1:
        return _mapping_maker(given.arrays)
    if given.tensor is not None:
        dtype, name = np.dtype(given.tensor.dtype), given.tensor.name
        if name is not None:
            return lambda rows: {name: np.asarray(rows, dtype=dtype)}
        return lambda rows: np.asarray(rows, dtype=dtype)
    if given.columns is None:
        return _untyped_input
    if model.metadata._is_signature_from_type_hint():
        return _list_maker(given.columns)
    make_frame = build_frame_maker(given.columns, [], artifact.root.name, for_mlflow=True)
    schema = model.metadata.get_input_schema()
    is_named = all(column.name for column in given.columns)
    if is_named and (schema is None or schema.has_input_names()):
        return make_frame

    def make_unnamed(rows: Rows) -> Any:
        frame = make_frame(rows)
        frame.columns = range(frame.shape[1])
        return frame

    return make_unnamed


def _mapping_maker(tensors: Sequence[Tensor]) -> Callable[[Any], dict[str, Any]]:
    dtypes = {str(tensor.name): np.dtype(tensor.dtype) for tensor in tensors}
    return lambda rows: {n: np.asarray(rows[n], dtype=dtype) for n, dtype in dtypes.items()}


def _list_maker(columns: tuple[Column, ...]) -> Callable[[Any], list[Any]]:
    """Return the function to the list that a type hint asks for: of the values of one column
    without a name, else of records. MLflow checks it against the hint."""
    names = [column.name for column in columns]
    makes = {
        at: for_hint_of(column) for at, column in enumerate(columns) if column.type in NESTED_TYPES
    }
    if names == [""]:
        make = makes.get(0)
        return lambda rows: [row[0] if make is None else make(row[0]) for row in rows]
    optional = {at for at, column in enumerate(columns) if not column.required}

    def record(row: Sequence[Any]) -> dict[str, Any]:
        given = [at for at, value in enumerate(row) if value is not None or at not in optional]
        return {names[at]: makes[at](row[at]) if at in makes else row[at] for at in given}

    return lambda rows: [record(row) for row in rows]


def _untyped_input(rows: Rows) -> Any:
    """Return texts as an array, as MLflow hands a list of them over, other rows as a DataFrame.

    It has the rows' names, if they have some. The body of a language model stays as it is. Raises
    ValueError for rows of different names.
    """
    first = rows[0] if len(rows) else None
    if isinstance(first, LoneBody):
        return dict(first)
    if isinstance(first, str):
        return np.array(rows)
    import pandas

    names = getattr(first, "names", None)
    if any(getattr(row, "names", None) != names for row in rows):
        raise ValueError("the rows have different columns")
    return pandas.DataFrame(rows, columns=names)
