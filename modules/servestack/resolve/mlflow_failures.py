"""Turns MLflow's failures into messages: what went wrong, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from servestack.errors import Problem, RegistryError
from servestack.spec.artifact_uri import ArtifactUri

_EXTRAS = {"boto3": "s3", "botocore": "s3", "google": "gs"}
"""The extra of servestack that installs a package."""
_UNREACHABLE = (
    ("Connection refused", "connection refused"),
    ("timed out", "no answer in time"),
    ("Name or service not known", "its host name is not known"),
    ("Temporary failure in name resolution", "its host name is not known"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
    ("RemoteDisconnected", "it closed the connection"),
    ("Connection reset", "it closed the connection"),
)
_ERROR_ANSWER = re.compile(r"too many (\d+) error responses|failed with error code (\d+)")
_FOREIGN_ANSWER = "not in a valid JSON format"
_CODE = re.compile(r"^[A-Z_]+: ")
_FRAME = ("The following failures occurred", "#####")
"""Beginnings of the lines that MLflow puts around the cause of a failed download."""


def is_unreachable(error: BaseException) -> bool:
    """Return whether the server cannot be reached. A server that refuses a question can be."""
    return any(sign in str(error) for sign, _ in _UNREACHABLE)


def refused(
    uri: ArtifactUri, tracking_uri: str, error: BaseException, known: Callable[[], str]
) -> RegistryError:
    """Explain a failed question. `known` returns what exists instead; it may ask MLflow."""
    code = getattr(error, "error_code", "")
    # The database backend calls an unknown alias an invalid parameter.
    if code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND") or (
        code == "INVALID_PARAMETER_VALUE" and "not found" in str(error)
    ):
        return problem("SRV223", uri, cause(error), known())
    if code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        return problem("SRV225", uri, f"MLflow denies access: {cause(error)}", hint)
    if isinstance(error, ImportError):
        return not_fetched(uri.text, error)
    return no_answer(tracking_uri, cause(error))


def no_answer(tracking_uri: str, reason: str) -> RegistryError:
    """Report the server, without a model's name, so that it is reported once for all models."""
    hint = "check that it is running, and that mlflow.trackingUri is right"
    return RegistryError(
        Problem("SRV222", f"MLflow at {tracking_uri} did not answer: {reason}", hint=hint)
    )


def not_fetched(source: str, error: BaseException) -> RegistryError:
    """Explain a failed download."""
    if isinstance(error, ImportError):
        package = (error.name or str(error)).partition(".")[0]
        extra = _EXTRAS.get(package)
        hint = f"pip install 'servestack[{extra}]'" if extra else f"install {package}"
        return RegistryError(Problem("SRV227", f"{source}: needs the package {package}", hint=hint))
    hint = "check that it exists, and that you may read it"
    return RegistryError(
        Problem("SRV226", f"{source}: cannot be fetched: {cause(error)}", hint=hint)
    )


def problem(id: str, uri: ArtifactUri, message: str, hint: str = "") -> RegistryError:
    """Make the error for one address."""
    return RegistryError(Problem(id, f"{uri.text}: {message}", hint=hint))


def cause(error: BaseException) -> str:
    """Return the first line of a failure that names its cause, or plainer words for it."""
    text = str(error)
    for sign, words in _UNREACHABLE:
        if sign in text:
            return words
    if match := _ERROR_ANSWER.search(text):
        return f"error {match[1] or match[2]}"
    if _FOREIGN_ANSWER in text:
        return "the server there is not MLflow"
    lines = (line.strip() for line in text.splitlines())
    said = [line for line in lines if line and not line.startswith(_FRAME)]
    return _CODE.sub("", said[0])[:200] if said else type(error).__name__


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """Return all names, those most similar to `word` first."""
    return get_close_matches(word, sorted(names), n=1000, cutoff=0.0)
