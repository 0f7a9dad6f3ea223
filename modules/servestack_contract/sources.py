"""From where `fetch` reads artifacts: one table, which fetch serves and `check` reads.

To add a scheme: its row here, and its reader in `servestack_server/fetch/sources/choose.py`.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from servestack_contract.artifact import why_not_relative

Reader = Literal["local", "mlflow", "https", "object store", "azure", "databricks", "webhdfs"]

MAX_DOWNLOAD_BYTES = 20 * 2**30
"""Size of the largest artifact that is fetched."""


class Scheme(msgspec.Struct, frozen=True):
    """A scheme that is fetched: by which reader, its form for messages, and the package that reads
    it, where one does. `extra` is that of servestack, which installs the package on a workstation.
    """

    reader: Reader
    form: str
    package: str = ""
    extra: str = ""


SCHEMES = {
    "mlflow-artifacts": Scheme("mlflow", "mlflow-artifacts:/…"),
    "https": Scheme("https", "https://…"),
    "s3": Scheme("object store", "s3://…", "s3fs", "s3"),
    "gs": Scheme("object store", "gs://…", "gcsfs", "gs"),
    "abfss": Scheme("azure", "abfss://…", "azure-storage-blob", "azure"),
    "abfs": Scheme("azure", "abfs://…", "azure-storage-blob", "azure"),
    "wasbs": Scheme("azure", "wasbs://…", "azure-storage-blob", "azure"),
    "wasb": Scheme("azure", "wasb://…", "azure-storage-blob", "azure"),
    "az": Scheme("azure", "az://…", "azure-storage-blob", "azure"),
    "dbfs": Scheme("databricks", "dbfs:/…", "databricks-sdk"),
    "hdfs": Scheme("webhdfs", "hdfs://…"),
    "webhdfs": Scheme("webhdfs", "webhdfs://…"),
    "swebhdfs": Scheme("webhdfs", "swebhdfs://…"),
    "file": Scheme("local", "file:…"),
    "": Scheme("local", "a path"),
}
FORMS = ", ".join(scheme.form for scheme in SCHEMES.values())


class Refusal(msgspec.Struct, frozen=True):
    """Why an address is not fetched, without secrets, and what would be right."""

    message: str
    hint: str = ""


def why_not_fetched(source: str) -> Refusal | None:
    """Return why fetch refuses an address before it asks anyone; None if it does not."""
    try:
        parts = urlsplit(source)
    except ValueError as error:
        return Refusal(f"{source!r} is not an address: {error}", f"use {FORMS}")
    shown = without_secrets(source)
    scheme = SCHEMES.get(parts.scheme)
    if scheme is not None:
        return _why_not_read(source, scheme)
    if parts.scheme == "http":
        return Refusal(f"{shown}: plain http can be changed in transit", "use https")
    if parts.scheme in ("models", "runs"):
        hint = "run servestack lock, which writes the exact address that a pod fetches"
        return Refusal(f"{shown}: can stand for another artifact later", hint)
    return Refusal(f"{shown}: artifacts are not fetched from {parts.scheme}:", f"use {FORMS}")


def _why_not_read(source: str, scheme: Scheme) -> Refusal | None:
    parts = urlsplit(source)
    match scheme.reader:
        case "local":
            if parts.netloc not in ("", "localhost"):
                return Refusal(
                    f"{source}: names another machine", "use file:/path or file:relative/path"
                )
            if "\0" in source:
                return Refusal(f"{source!r} is not a path")
        case "object store":
            # A key may hold `?` and `#`.
            root = source.partition("://")[2].rstrip("/")
            if "@" in parts.netloc or "/" not in root:
                return Refusal(
                    f"{parts.scheme}: the address needs a bucket and a path, and no credentials"
                )
        case "azure":
            return _why_not_azure(source)
        case "databricks":
            return _why_not_databricks(source)
        case "webhdfs":
            return _why_not_hdfs(source)
        case "mlflow":
            path = unquote(parts.path).strip("/")
            if reason := why_not_relative(path):
                return Refusal(
                    f"{without_secrets(source)}: its path {reason}",
                    "use relative paths in an artifact, with / between their parts",
                )
    return None


def _why_not_azure(source: str) -> Refusal | None:
    """A blob's name may hold `?` and `#`, so the address is not split as a URL."""
    scheme, _, rest = source.partition("://")
    place, _, path = rest.partition("/")
    container, at, host = place.partition("@")
    form = f"write {scheme}://<container>@<account>.blob.core.windows.net/<path>"
    if ":" in container or "@" in host:
        return Refusal(f"{scheme}: the address must hold no credentials", form)
    if not container or not path.strip("/") or (at and "." not in host):
        return Refusal(f"{source}: names no container, account and path", form)
    if not at and "." in container:
        return Refusal(f"{source}: has the account in place of the container", form)
    if not at and scheme.startswith("wasb"):
        return Refusal(f"{source}: names no account", form)
    return None


def _why_not_databricks(source: str) -> Refusal | None:
    parts = urlsplit(source)
    form = "write dbfs:/<path>, or dbfs:/Volumes/<catalog>/<schema>/<volume>/<path>"
    if parts.netloc:
        return Refusal(
            f"dbfs: the address names the workspace {parts.netloc.rpartition('@')[2]}, which "
            "DATABRICKS_HOST says",
            form,
        )
    path = source.partition(":")[2]
    if not path.startswith("/") or not path.strip("/"):
        return Refusal(f"{source}: names no path", form)
    if path.startswith(MANAGED_BY_DATABRICKS):
        return Refusal(
            f"{source}: Databricks lets only MLflow's own client read its managed artifacts",
            "give the experiment an artifact location in a volume or a bucket, and log the model there",
        )
    return None


def _why_not_hdfs(source: str) -> Refusal | None:
    parts = urlsplit(source)
    if "@" in parts.netloc:
        hint = "set HADOOP_USER_NAME, or WEBHDFS_USERNAME and WEBHDFS_PASSWORD"
        return Refusal(f"{parts.scheme}: the address must hold no credentials", hint)
    try:
        parts.port  # noqa: B018
    except ValueError:
        return Refusal(f"{source}: its port is not a number", f"write {parts.scheme}://host:port/…")
    if not parts.path.strip("/") or (parts.scheme != "hdfs" and not parts.hostname):
        form = f"write {parts.scheme}://<namenode>:<port>/<path>"
        return Refusal(f"{source}: names no namenode and path", form)
    return None


MANAGED_BY_DATABRICKS = ("/databricks/mlflow-tracking/", "/databricks/mlflow-registry/")
"""Folders of DBFS that its API does not show: their artifacts come only through MLflow's client."""


def without_secrets(uri: str) -> str:
    """Return an address without user, password, query and fragment."""
    parts = urlsplit(uri)
    user, _, host = parts.netloc.rpartition("@")
    is_container = _reader_of(parts.scheme) == "azure" and ":" not in user and "@" not in user
    netloc = parts.netloc if is_container else host
    return parts._replace(netloc=netloc, query="", fragment="").geturl()


def _reader_of(scheme: str) -> str:
    return SCHEMES[scheme].reader if scheme in SCHEMES else ""
