"""Asks an MLflow server, or an MLflow database, for models. The only module that knows mlflow."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from servestack.errors import Problem, RegistryError
from servestack.resolve.registry import Found
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri

T = TypeVar("T")
_TIMEOUT_SECONDS = "10"
_RETRIES = "1"


class MlflowRegistry:
    """A registry over MLflow's client. Connects on the first question, not before."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self._client: Any = None

    def find(self, uri: ArtifactUri) -> Found:
        """The version of a registered model, or the artifact of a run."""
        if uri.kind is ArtifactKind.RUN:
            return self._find_run(uri)
        version = self._ask(uri, lambda client: self._version(client, uri))
        if version.current_stage == "Archived":
            raise _problem(
                "SRV224",
                uri,
                f"version {version.version} is archived",
                "name a version that is in use",
            )
        if version.status != "READY":
            raise _problem(
                "SRV224",
                uri,
                f"version {version.version} is {version.status}",
                "wait until it is READY, or register it again",
            )
        source = self._ask(
            uri, lambda client: client.get_model_version_download_uri(uri.name, version.version)
        )
        return Found(str(source), str(version.version), str(version.run_id or ""))

    def download(self, found: Found, folder: Path) -> Path:
        """Fetch a source through MLflow, which knows its own artifact addresses."""
        uri = ArtifactUri(found.source, ArtifactKind.REMOTE)
        return self._ask(uri, lambda client: download(found.source, folder, self.tracking_uri))

    def _find_run(self, uri: ArtifactUri) -> Found:
        run = self._ask(uri, lambda client: client.get_run(uri.run_id))
        if run.info.lifecycle_stage == "deleted":
            raise _problem("SRV224", uri, "the run is deleted", "name a run that is kept")
        return Found(f"{run.info.artifact_uri.rstrip('/')}/{uri.path}", run_id=uri.run_id)

    def _version(self, client: Any, uri: ArtifactUri) -> Any:
        if uri.alias:
            return client.get_model_version_by_alias(uri.name, uri.alias)
        if uri.version:
            return client.get_model_version(uri.name, uri.version)
        found = client.get_latest_versions(uri.name, [uri.stage])
        if not found:
            raise _problem(
                "SRV223", uri, f"{uri.name} has no version in stage {uri.stage}", self._known(uri)
            )
        return found[0]

    def _ask(self, uri: ArtifactUri, question: Callable[[Any], T]) -> T:
        """Ask MLflow, and put its refusals in words."""
        with _quiet():
            try:
                return question(self._connected())
            except RegistryError:
                raise
            except Exception as error:  # mlflow lets errors of requests, SQLAlchemy and OS through
                code = getattr(error, "error_code", "")
                if code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
                    raise _problem("SRV223", uri, _first_line(error), self._known(uri)) from None
                if code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
                    raise _problem(
                        "SRV225",
                        uri,
                        f"MLflow refuses: {_first_line(error)}",
                        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
                        "or MLFLOW_TRACKING_TOKEN",
                    ) from None
                raise _problem(
                    "SRV222",
                    uri,
                    f"MLflow at {self.tracking_uri} did not answer: {_reason(error)}",
                    "is it running, and is mlflow.trackingUri right?",
                ) from None

    def _connected(self) -> Any:
        if self._client is None:
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", _TIMEOUT_SECONDS)
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            from mlflow import MlflowClient

            self._client = MlflowClient(self.tracking_uri, self.tracking_uri)
        return self._client

    def _known(self, uri: ArtifactUri) -> str:
        """What there is instead: models like it, or the model's aliases and versions."""
        client = self._client
        try:
            model = client.get_registered_model(uri.name)
        except Exception:
            try:
                names = [model.name for model in client.search_registered_models()]
            except Exception:
                return ""
            near = get_close_matches(uri.name, names, n=1)
            if near:
                return f"did you mean {near[0]}?"
            return (
                f"registered are {', '.join(sorted(names)[:10])}" if names else "none is registered"
            )
        aliases = [f"@{alias}" for alias in sorted(model.aliases)]
        found = client.search_model_versions(f"name='{uri.name}'")
        versions = sorted((str(version.version) for version in found), key=int)
        known = [*aliases, *(f"/{version}" for version in versions[-10:])]
        return f"{uri.name} has {', '.join(known)}" if known else f"{uri.name} has no versions"


def download(source: str, folder: Path, tracking_uri: str | None = None) -> Path:
    """Fetch an artifact by one of the addresses that MLflow knows. Raises whatever MLflow raises."""
    from mlflow.artifacts import download_artifacts

    return Path(
        download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=tracking_uri)
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow's own talk would stand between the user and the answer."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _reason(error: BaseException) -> str:
    text = str(error)
    for sign, words in (
        ("Connection refused", "connection refused"),
        ("timed out", "no answer in time"),
        ("Name or service not known", "its host name is not known"),
        ("Temporary failure in name resolution", "its host name is not known"),
        ("unable to open database file", "the database file cannot be opened"),
    ):
        if sign in text:
            return words
    return _first_line(error)


def _problem(id: str, uri: ArtifactUri, message: str, hint: str = "") -> RegistryError:
    return RegistryError(Problem(id, f"{uri.text}: {message}", hint=hint))
