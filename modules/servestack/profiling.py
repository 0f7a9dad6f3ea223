"""`servestack.profile`: counts of a model's training data, which the server compares its inputs with.

    profile = servestack.profile(X_train, model.predict(X_train))
    profile.save("model")                 # into a folder that mlflow.<flavor>.save_model wrote
    profile.log(logged.model_uri)         # or beside a model that mlflow.<flavor>.log_model logged

Importing this module is quick: it loads numpy when a profile is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from servestack.files import write_atomically
from servestack_contract.profile import FILE, MAX_BYTES, Profile, dump_profile

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_MODEL_URI = re.compile(
    r"models:/(?P<model>m-[0-9a-f]{32})|runs:/(?P<run>[0-9a-f]{32})/(?P<path>.+)"
)


class ProfileError(ValueError):
    """Data that no profile can be made of, or a place that takes none. The message says why."""


@dataclass(frozen=True, slots=True)
class TrainingProfile:
    """A profile, and the ways to put it beside its model.

    `left_out` maps the columns without buckets to the reason.
    """

    profile: Profile

    @property
    def left_out(self) -> dict[str, str]:
        return {column.name: column.reason for column in self.profile.left_out}

    @property
    def text(self) -> bytes:
        """The content of the file."""
        return dump_profile(self.profile)

    def save(self, folder: str | Path) -> Path:
        """Write the file into a model's folder, which must exist. Returns its path.

        Raises ProfileError if there is no such folder, or it cannot be written.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise ProfileError(
                f"{folder} is not a folder: save the model first, for example with "
                "mlflow.sklearn.save_model"
            )
        try:
            write_atomically(folder / FILE, self.text.decode())
        except OSError as error:
            raise ProfileError(f"{folder / FILE} cannot be written: {error.strerror}") from None
        return folder / FILE

    def log(self, model_uri: str) -> None:
        """Add the file to a model in MLflow, by the `model_uri` that log_model returned.

        Do so before `servestack lock` pins the version: the digest covers the file. Raises
        ProfileError for another kind of address, and what MLflow raises.
        """
        match = _MODEL_URI.fullmatch(model_uri) if isinstance(model_uri, str) else None
        if match is None:
            raise ProfileError(
                f"{model_uri!r} is not the model_uri that mlflow.<flavor>.log_model returns, such as "
                "models:/m-… or runs:/…/model"
            )
        from mlflow import MlflowClient

        client = MlflowClient()
        with TemporaryDirectory() as folder:
            file = self.save(folder)
            if match["model"]:
                client.log_model_artifact(match["model"], str(file))
            else:
                client.log_artifact(match["run"], str(file), match["path"])


def profile(X: Any, predictions: Any = None) -> TrainingProfile:  # noqa: N803  as in scikit-learn
    """Profile the data that a model is trained or validated on.

    `X` has one row for each example, in the form in which callers send it: a pandas DataFrame, a
    numpy array of shape (rows, columns), a list of lists, or a list of dicts. `predictions` are the
    model's own answers to these rows: one value per row, or an array of shape (rows, outputs).

    Raises ProfileError for data of another form, or of no rows, or whose numbers of rows differ.
    """
    from servestack_contract.buckets import make_profile

    columns, has_names = _columns_of(X)
    rows = len(next(iter(columns.values())))
    outputs: dict[str, Any] = {}
    if predictions is not None:
        outputs = _outputs_of(predictions)
        predicted = len(next(iter(outputs.values())))
        if predicted != rows:
            raise ProfileError(f"there are {rows} rows, and predictions for {predicted}")
    made = make_profile(columns, outputs, is_by_position=not has_names)
    if not made.columns and not made.predictions:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in made.left_out[:3])
        raise ProfileError(f"no column has buckets: {reasons}")
    result = TrainingProfile(made)
    if len(result.text) > MAX_BYTES:
        raise ProfileError(
            f"the profile is larger than {MAX_BYTES >> 20} MiB: profile fewer columns"
        )
    return result


def _columns_of(given: Any) -> tuple[dict[str, Any], bool]:
    """Return the columns by name, and whether the data had names."""
    import numpy as np

    if _is_frame(given):
        columns = _of_frame(given)
        has_names = not all(isinstance(name, int) for name in given.columns)
    elif isinstance(given, np.ndarray):
        columns, has_names = _of_array(given), False
    elif isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        columns, has_names = _of_rows(given)
    else:
        raise ProfileError(
            f"X is {_kind(given)}: give a DataFrame, an array of shape (rows, columns), or a list of "
            "rows"
        )
    if not columns or not len(next(iter(columns.values()))):
        raise ProfileError("X has no rows or no columns")
    if any(not 1 <= len(name) <= 500 for name in columns):
        raise ProfileError("a column's name must have 1 to 500 characters")
    return columns, has_names


def _of_frame(frame: Any) -> dict[str, Any]:
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ProfileError(f"two columns are called {twice!r}")
    # By position: a name need not be a text.
    return {name: frame.iloc[:, at].to_numpy() for at, name in enumerate(names)}


def _of_array(array: Array) -> dict[str, Any]:
    if array.dtype.names:
        raise ProfileError("X is a structured array: give a DataFrame")
    if array.ndim != 2:
        raise ProfileError(
            f"X has shape {array.shape}: profiles are of tables, with shape (rows, columns)"
        )
    return {str(at): array[:, at] for at in range(array.shape[1])}


def _of_rows(rows: Sequence[Any]) -> tuple[dict[str, Any], bool]:
    """The columns of a list of rows, all of them dicts or all of them lists."""
    if all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        return {str(name): [row.get(name) for row in rows] for name in names}, True
    for at, row in enumerate(rows):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or isinstance(row, Mapping):
            raise ProfileError(f"row {at} is {_kind(row)}: give a list of lists or a list of dicts")
        if len(row) != len(rows[0]):
            raise ProfileError(f"row {at} has {len(row)} values, and row 0 has {len(rows[0])}")
    return {str(at): list(values) for at, values in enumerate(zip(*rows, strict=True))}, False


def _outputs_of(given: Any) -> dict[str, Any]:
    """Return the model's outputs by name; the only one without a name is called `prediction`."""
    import numpy as np

    if _is_frame(given):
        columns = _of_frame(given)
        return columns if len(columns) != 1 else {"prediction": next(iter(columns.values()))}
    if hasattr(given, "to_numpy"):  # a Series
        given = given.to_numpy()
    if not isinstance(given, np.ndarray):
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
            raise ProfileError(
                f"predictions are {_kind(given)}: give one value for each row, or an array of shape "
                "(rows, outputs)"
            )
        if given and isinstance(given[0], (list, tuple, np.ndarray)):
            return _numbered(_of_rows(given)[0])
        return {"prediction": list(given)}
    if given.ndim == 2:
        return _numbered(_of_array(given))
    if given.ndim != 1:
        raise ProfileError(f"predictions have shape {given.shape}: one or two axes are counted")
    return {"prediction": given}


def _numbered(columns: dict[str, Any]) -> dict[str, Any]:
    return columns if len(columns) != 1 else {"prediction": columns["0"]}


def _is_frame(given: Any) -> bool:
    """Whether it is a DataFrame, without importing pandas for it."""
    return hasattr(given, "iloc") and hasattr(given, "columns")


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
