"""Finds models on an MLflow server or in its database. The only module that knows mlflow."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from servestack.errors import RegistryError
from servestack.resolve import store_download
from servestack.resolve.mlflow_address import MlflowAddress, database_file, is_unity_catalog
from servestack.resolve.mlflow_failures import (
    is_unreachable,
    nearest,
    no_answer,
    not_fetched,
    problem,
    refused,
)
from servestack.resolve.registry import Found
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri

T = TypeVar("T")
_ASKING = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""Timeout in seconds and retries of a question: a server that hangs fails after ten seconds."""
_FETCHING = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "600", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""The same for a download: MLflow reads a whole file from its store before it answers."""
_SET_BY_USER = frozenset(name for name in _ASKING if name in os.environ)
_KNOWN_SHOWN = 10
_importing = threading.Lock()


class MlflowRegistry:
    """A registry over MLflow's client. Connects on the first question, not before.

    Several threads may call `find`, or `download`, but not both at the same time: MLflow takes its
    timeouts from the variables of the process.
    """

    def __init__(self, address: MlflowAddress) -> None:
        self.tracking_uri = address.tracking_uri
        self._registry_uri = address.registry_uri
        self._client: Any = None
        self._down: RegistryError | None = None

    def find(self, uri: ArtifactUri) -> Found:
        """Return the version of a registered model, a logged model, or the artifact of a run.

        An archived version is taken if the address names exactly it. Raises RegistryError if the
        server does not answer (SRV222) or denies access (SRV225), if the model does not exist
        (SRV223) or is not in use (SRV224), or if the registry has no such addresses (SRV233).
        """
        _be_patient(_ASKING)
        if uri.kind is ArtifactKind.RUN:
            return self._ask(uri, lambda client: _find_run(client, uri))
        if uri.kind is ArtifactKind.LOGGED:
            return self._ask(uri, lambda client: _find_logged(client, uri))
        version = self._ask(uri, lambda client: self._version(client, uri))
        is_archived = version.current_stage == "Archived"
        if is_archived and uri.alias:
            hint = (
                f"move the alias, or write models:/{uri.name}/{version.version} to serve it all the "
                "same"
            )
            raise problem("SRV224", uri, f"version {version.version} is archived", hint)
        if version.status != "READY":
            hint = "wait until it is READY, or register it again"
            raise problem("SRV224", uri, f"version {version.version} is {version.status}", hint)
        source = self._ask(
            uri, lambda client: client.get_model_version_download_uri(uri.name, version.version)
        )
        through = f"models:/{uri.name}/{version.version}" if self._is_unity_catalog() else ""
        run_id = str(version.run_id or "")
        return Found(str(source), str(version.version), run_id, is_archived, through)

    def download(self, found: Found, folder: Path) -> Path:
        """Fetch a source through MLflow, which knows its own artifact addresses.

        Sources that pods read without MLflow, such as abfss:, are read as pods do; but for those in
        DBFS, MLflow knows the workspace. Returns the path below `folder`. Raises RegistryError
        (SRV226, SRV227).
        """
        is_in_dbfs = found.source.startswith("dbfs:")
        is_known = not is_in_dbfs and store_download.is_read_by_fetch(found.source)
        if is_known and not found.through:
            return store_download.download(found.source, folder)
        # Unity Catalog lends rights for one version, and only to those who ask for that version.
        source = found.through or found.source
        return download(source, folder, self.tracking_uri, self._client_registry_uri())

    def _client_registry_uri(self) -> str | None:
        """The registry that MLflow has chosen, once it was asked."""
        return self._client._registry_uri if self._client is not None else self._registry_uri

    def _is_unity_catalog(self) -> bool:
        return is_unity_catalog(self._client_registry_uri() or "")

    def _version(self, client: Any, uri: ArtifactUri) -> Any:
        if self._is_unity_catalog():
            _require_catalog_form(uri)
        if uri.alias:
            return client.get_model_version_by_alias(uri.name, uri.alias)
        if uri.version:
            return client.get_model_version(uri.name, uri.version)
        found = client.get_latest_versions(uri.name, [uri.stage])
        if not found:
            message = f"{uri.name} has no version in stage {uri.stage}"
            raise problem("SRV223", uri, message, _known(client, uri))
        return found[0]

    def _ask(self, uri: ArtifactUri, question: Callable[[Any], T]) -> T:
        """Ask MLflow, and explain its failures. A server that is down is asked only once."""
        if self._down is not None:
            raise self._down
        try:
            return question(self._connected())
        except RegistryError:
            raise
        except Exception as error:  # mlflow passes on errors of requests, SQLAlchemy and the OS
            failure = refused(uri, self.tracking_uri, error, lambda: _known(self._client, uri))
            if is_unreachable(error):
                self._down = failure
            raise failure from None

    def _connected(self) -> Any:
        if self._client is None:
            _import_mlflow()
            from mlflow import MlflowClient

            for uri in filter(None, (self.tracking_uri, self._registry_uri)):
                database = database_file(uri)
                if database is not None and not database.is_file():
                    # MLflow would create an empty one.
                    raise no_answer(uri, "there is no such database file")
            self._client = MlflowClient(self.tracking_uri, self._registry_uri)
        return self._client


def download(
    source: str, folder: Path, tracking_uri: str | None = None, registry_uri: str | None = None
) -> Path:
    """Fetch an artifact from an address that MLflow knows, and return its path below `folder`.

    Raises RegistryError if it cannot be fetched (SRV226) or a package is missing (SRV227).
    """
    _be_patient(_FETCHING)
    _import_mlflow()
    from mlflow.artifacts import download_artifacts

    try:
        return Path(
            download_artifacts(
                artifact_uri=source,
                dst_path=str(folder),
                tracking_uri=tracking_uri,
                registry_uri=registry_uri,
            )
        )
    except Exception as error:  # boto3 and google-cloud raise types of their own
        raise not_fetched(source, error) from None


def _require_catalog_form(uri: ArtifactUri) -> None:
    """Raise RegistryError (SRV233) for an address that no model in Unity Catalog can have."""
    if uri.stage:
        hint = f"set an alias and write models:/{uri.name}@{uri.stage.lower()}"
        raise problem("SRV233", uri, "Unity Catalog has no stages", hint)
    if len(uri.name.split(".")) != 3:
        hint = "write models:/catalog.schema.model@alias, or set mlflow.registryUri: databricks"
        message = "Unity Catalog names a model by its catalog, schema and name"
        raise problem("SRV233", uri, message, hint)


def _find_logged(client: Any, uri: ArtifactUri) -> Found:
    """Find a logged model of MLflow 3 by its id, which stands for exactly one artifact."""
    model = client.get_logged_model(uri.model_id)
    status = str(getattr(model.status, "value", model.status))
    if status != "READY":
        raise problem("SRV224", uri, f"the logged model is {status}", "log it again")
    return Found(str(model.artifact_location), uri.model_id, str(model.source_run_id or ""))


def _find_run(client: Any, uri: ArtifactUri) -> Found:
    """Find a model that a run logged, or a file or folder among its artifacts.

    MLflow 3 keeps logged models outside the run's artifacts, and prefers the model if both have
    the same name. Source: mlflow/store/artifact/runs_artifact_repo.py of MLflow 3.17.
    """
    run = client.get_run(uri.run_id)
    if run.info.lifecycle_stage == "deleted":
        raise problem("SRV224", uri, "the run is deleted", "name a run that is not deleted")
    outputs = run.outputs.model_outputs if run.outputs else []
    models = [client.get_logged_model(output.model_id) for output in outputs]
    path = PurePosixPath(uri.path)
    named = [model for model in models if model.name == path.parts[0]]
    if named:
        newest = max(named, key=lambda model: model.creation_timestamp)
        parts = [newest.artifact_location.rstrip("/"), *path.parts[1:]]
        return Found("/".join(parts), run_id=uri.run_id)
    folder = None if len(path.parts) == 1 else str(path.parent)
    if str(path) not in {file.path for file in client.list_artifacts(uri.run_id, folder)}:
        there = {file.path for file in client.list_artifacts(uri.run_id)}
        there |= {model.name for model in models}
        names = ", ".join(nearest(uri.path, there)[:_KNOWN_SHOWN])
        raise problem("SRV223", uri, f"the run has no artifact {path}", f"it has {names or 'none'}")
    return Found(f"{run.info.artifact_uri.rstrip('/')}/{path}", run_id=uri.run_id)


def _known(client: Any, uri: ArtifactUri) -> str:
    """Return what exists instead: similar models, or the model's aliases and versions."""
    if uri.kind is ArtifactKind.RUN:
        return "check the run's id"
    if uri.kind is ArtifactKind.LOGGED:
        return "check the model's id: log_model returns it, and MLflow's page of the model shows it"
    try:
        model = client.get_registered_model(uri.name)
        found = client.search_model_versions(f"name='{uri.name}'")
    except Exception:
        return _known_models(client, uri.name)
    aliases = [f"@{alias}" for alias in nearest(uri.alias, model.aliases)]
    versions = [f"/{version.version}" for version in sorted(found, key=lambda v: -int(v.version))]
    known = [*versions, *aliases] if uri.version else [*aliases, *versions]
    if not known:
        return f"{uri.name} has no versions"
    return f"{uri.name} has {', '.join(known[:_KNOWN_SHOWN])}"


def _known_models(client: Any, name: str) -> str:
    try:
        names = [model.name for model in client.search_registered_models(max_results=1000)]
    except Exception:
        return ""
    if near := get_close_matches(name, names, n=1):
        return f"did you mean {near[0]}?"
    if not names:
        return "no model is registered"
    return f"registered models: {', '.join(nearest(name, names)[:_KNOWN_SHOWN])}"


def _be_patient(settings: dict[str, str]) -> None:
    os.environ.update({name: settings[name] for name in settings if name not in _SET_BY_USER})


def _import_mlflow() -> None:
    """Import mlflow without its log output, which would bury servestack's own messages."""
    with _importing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow.artifacts  # noqa: F401

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
    # catch_warnings() around each question would not be thread-safe.
    warnings.filterwarnings("ignore", module=r"mlflow|servestack\.resolve\.mlflow_registry")
