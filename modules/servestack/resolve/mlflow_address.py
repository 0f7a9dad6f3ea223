"""Where MLflow's server, database or workspace is, as the environment names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from servestack.spec.environment import Mlflow

_SQLITE = "sqlite:///"
_IN_MEMORY = (":memory:", "")
_FOLDER = re.compile(r"(?:file:(?://)?)?(?P<path>[^:]*)")
_UNITY_CATALOG = ("databricks-uc", "uc")


@dataclass(frozen=True, slots=True)
class MlflowAddress:
    """MLflow's tracking server, and its registry of models; None leaves the choice to MLflow.

    MLflow chooses Unity Catalog for the tracking server `databricks`, else the server itself. The
    variable MLFLOW_REGISTRY_URI comes before both.
    """

    tracking_uri: str
    registry_uri: str | None = None


def address_of(settings: Mlflow, root: Path) -> MlflowAddress:
    """Return the address of an environment's MLflow. Relative paths are relative to `root`."""
    registry = settings.registry_uri
    return MlflowAddress(
        from_folder(settings.tracking_uri, root),
        from_folder(registry, root) if registry is not None else None,
    )


def from_folder(uri: str, root: Path) -> str:
    """Return an address whose relative path, of a database or a folder, begins at `root`.

    MLflow itself begins at the current folder, which may be any. Other addresses stay as they are.
    """
    if uri.startswith(_SQLITE):
        database, mark, options = uri.removeprefix(_SQLITE).partition("?")
        if database in _IN_MEMORY or database.startswith(("/", "file:")):
            return uri
        return f"{_SQLITE}{(root / database).resolve()}{mark}{options}"
    match = _FOLDER.fullmatch(uri)
    if match is None or match["path"].startswith("/") or uri.startswith("databricks"):
        return uri
    return (root / match["path"]).resolve().as_uri()


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite database; None for any other address."""
    name = uri.removeprefix(_SQLITE).partition("?")[0]
    is_file = uri.startswith(_SQLITE) and name not in _IN_MEMORY and not name.startswith("file:")
    return Path(name) if is_file else None


def is_unity_catalog(registry_uri: str) -> bool:
    """Whether a registry is Unity Catalog, of Databricks or its open-source server."""
    scheme = urlsplit(registry_uri).scheme or registry_uri
    return scheme in _UNITY_CATALOG
