"""scikit-learn estimators, saved by skops, or pickled if the spec trusts pickles."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from servestack_contract import loading
from servestack_contract.settings import Input, Trust
from servestack_server.errors import StartError
from servestack_server.models.arrays import build_array_maker, whole_as_double
from servestack_server.models.by_row import answering_by_row
from servestack_server.models.columns import feature_positions, taken
from servestack_server.models.frame_categories import frame_categories, with_categories
from servestack_server.models.frames import build_frame_maker, needs_frame, parts_of
from servestack_server.models.lean_import import forget_lean, import_lean
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Loaded, Predict
from servestack_server.models.threads import thread_count
from servestack_server.models.trusting import require_pickle, untrusted_types
from servestack_server.models.versions import warn_other_version


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load the estimator. Rows become an array of float64, or a DataFrame if it needs names."""
    forget_lean("xgboost", "lightgbm")  # the pipeline may hold their estimators
    estimator = read_estimator(artifact, trust)
    limit_jobs(estimator)
    return Loaded(build_predict(estimator, artifact, given), estimator)


def limit_jobs(estimator: Any) -> None:
    """Give the estimator and those that it contains the threads of one prediction.

    A forest of `n_jobs=-1` starts a pool of threads for each call, a bagging even processes. Both cost
    milliseconds a call, and how many there are depends on the machine. Answers do not, except for the
    last digits of sums that several jobs add up.
    """
    for part in parts_of(estimator):
        if getattr(part, "n_jobs", None) not in (None, 1):
            part.n_jobs = thread_count()


def read_estimator(artifact: Artifact, trust: Trust, also_safe: tuple[str, ...] = ()) -> Any:
    """Deserialise an estimator that the spec trusts. `also_safe` are further safe skops types.

    Raises StartError, which names the types that are not trusted, or the pickle.
    """
    file = artifact.model_file
    pickled = not is_skops(artifact)
    if pickled:
        require_pickle(trust, f"{artifact.root.name}/{file.name}")
    sklearn = import_lean("sklearn", without=("pandas",))
    warn_other_version(
        "scikit-learn", _sklearn_version(artifact), sklearn.__version__, pickled=pickled
    )
    if not pickled:
        return _read_skops(file, (*also_safe, *trust.skops_types))
    return _read_pickle(file, str(artifact.settings.get("serialization_format") or ""))


def is_skops(artifact: Artifact) -> bool:
    """Whether the flavor names the skops format; if it names none, the file's suffix decides."""
    return loading.is_skops(artifact.settings, artifact.model_file)


def build_predict(estimator: Any, artifact: Artifact, given: Input) -> Predict:
    """Return the function from rows to the outputs of the estimator's `predict_fn`.

    Raises StartError if the estimator does not have it.
    """
    function = getattr(estimator, artifact.predict_fn, None)
    if not callable(function) or artifact.predict_fn.startswith("_"):
        raise StartError(
            f"{artifact.root.name}: {type(estimator).__name__} has no {artifact.predict_fn}",
            "log the model with another pyfunc_predict_fn",
        )
    name = artifact.root.name
    features = [str(name) for name in _feature_names(estimator)]
    positions = feature_positions(given.columns, features, name)
    columns = taken(given.columns, positions)
    count = len(columns) if columns is not None else len(features)
    categories = frame_categories(estimator, columns, count, name)
    if categories or needs_frame(estimator, given.columns):
        make_frame = build_frame_maker(given.columns, features, name)
        if categories:
            make_frame = with_categories(make_frame, categories, positions)
        return answering_by_row(function, make_frame)
    # Arrays in the right order give the same answers as named columns, several times faster.
    warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
    make_array = build_array_maker(given, positions)
    if _begins_with_lightgbm(estimator):
        make_array = whole_as_double(make_array)
    return answering_by_row(function, make_array)


def _feature_names(estimator: Any) -> Any:
    """Return the names of the training's columns, empty if it had none. A pipeline has those of its
    first step, which may be one that does nothing."""
    steps = [step for _, step in getattr(estimator, "steps", ())]
    first = next((step for step in steps if step not in (None, "passthrough")), estimator)
    return getattr(first, "feature_names_in_", ())


def _begins_with_lightgbm(estimator: Any) -> bool:
    steps = getattr(estimator, "steps", None)
    first = steps[0][1] if steps else estimator
    return type(first).__module__.startswith("lightgbm.")


def _sklearn_version(artifact: Artifact) -> str:
    return str(artifact.settings.get("sklearn_version") or "")


def _read_skops(file: Path, trusted: tuple[str, ...]) -> Any:
    skops_io = import_lean("skops.io")
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        refused = sorted(set(skops_io.get_untrusted_types(file=file)) - set(trusted))
        if refused:
            raise untrusted_types(file, refused)
        return skops_io.load(file, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise StartError(f"{file.name}: {error}") from None
    except (BadZipFile, OSError) as error:
        raise StartError(f"{file}: is not a skops file: {error}") from None
    except (StartError, MemoryError):
        raise
    except Exception as error:  # a file of another version, or a broken one, can raise anything
        raise _unreadable(file, error) from None


def _read_pickle(file: Path, serialization_format: str) -> Any:
    import pickle

    try:
        if serialization_format == "joblib" or file.suffix == ".joblib":
            import joblib

            return joblib.load(file)
        import cloudpickle  # noqa: F401  # pickles that it wrote refer to it

        with file.open("rb") as stream:
            return pickle.load(stream)
    except MemoryError:
        raise
    except Exception as error:  # a pickle runs anything, so anything can fail
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> StartError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return StartError(
        f"{file.name}: cannot be read: {type(error).__name__}: {reason}",
        "its packages may be missing or of another version than those of this image",
    )
