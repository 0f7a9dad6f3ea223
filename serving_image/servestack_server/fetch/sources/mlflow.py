"""Artifacts that an MLflow server sends itself, over HTTP.

`GET /api/2.0/mlflow-artifacts/artifacts?path=…` lists one folder, and
`GET /api/2.0/mlflow-artifacts/artifacts/<path>` sends one file. A path that lists nothing is a file.
Source: mlflow/server/handlers.py and mlflow/store/artifact/mlflow_artifacts_repo.py of MLflow 3.17.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from servestack_contract.sources import without_secrets
from servestack_server.errors import StartError
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.http import HttpClient, number_of
from servestack_server.fetch.sources.source import (
    Listing,
    PassingError,
    Remote,
    Stream,
)

_SERVICE = "/api/2.0/mlflow-artifacts/artifacts"
_READ_TIMEOUT_SECONDS = 600.0
"""MLflow reads a whole file from its store before it answers."""
_MAX_FILES = 100_000
_MAX_LISTING_BYTES = 64 << 20
_HINT = (
    "check that the server runs, that MLFLOW_TRACKING_URI is right, and that "
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, give access"
)


def mlflow_source(uri: str) -> MlflowSource:
    """Return the source of `mlflow-artifacts:/path` on the server in MLFLOW_TRACKING_URI.

    Raises StartError if that variable is not an http or https address.
    """
    tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        is_server = urlsplit(tracking_uri).scheme in ("http", "https")
        said = without_secrets(tracking_uri) or "not set"
    except ValueError:
        is_server, said = False, "not an address"
    if not is_server:
        message = f"{without_secrets(uri)}: MLFLOW_TRACKING_URI is {said}"
        raise StartError(message, "set it to the http or https address of the MLflow server")
    return MlflowSource(uri, tracking_uri)


class MlflowSource:
    """A file or folder below the server's artifact root."""

    hint = _HINT

    def __init__(self, uri: str, tracking_uri: str) -> None:
        address, server = urlsplit(uri), urlsplit(tracking_uri)
        host = address.netloc or server.netloc.rpartition("@")[2]
        # The credentials of MLFLOW_TRACKING_URI are not sent to another server.
        known = host == server.netloc.rpartition("@")[2]
        base = server.path.rstrip("/") if known else ""
        self._service = f"{server.scheme}://{host}{base}{_SERVICE}"
        self._root = checked_path(unquote(address.path).strip("/"), uri)
        self.shown = f"{without_secrets(uri)} of {server.scheme}://{host}{base}"
        self._client = HttpClient(
            _HINT,
            headers=_credentials(server.username, server.password) if known else None,
            read_timeout_seconds=_READ_TIMEOUT_SECONDS,
            ca_file=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None,
        )
        self._is_folder = True

    def list_files(self) -> Listing:
        """List all files, folder by folder. Raises StartError for more than 100,000 files."""
        entries = self._entries(self._root)
        name = self._root.rpartition("/")[2]
        # Some stores list a file as its own only entry. MLflow also treats that as the file.
        is_itself = (
            len(entries) == 1 and entries[0]["path"] == name and not entries[0].get("is_dir")
        )
        self._is_folder = bool(entries) and not is_itself
        if not self._is_folder:
            size = _size(entries[0]) if entries else None
            return Listing((Remote(name, size),), is_folder=False)
        files: list[Remote] = []
        folders = [("", entries)]
        while folders:
            prefix, entries = folders.pop()
            for entry in entries:
                path = checked_path(prefix + checked_path(entry["path"], self.shown), self.shown)
                if entry.get("is_dir"):
                    folders.append((f"{path}/", self._entries(f"{self._root}/{path}")))
                else:
                    files.append(Remote(path, _size(entry)))
                if len(files) + len(folders) > _MAX_FILES:
                    raise StartError(f"{self.shown}: lists more than {_MAX_FILES:,} files")
        return Listing(tuple(sorted(files, key=lambda remote: remote.path)), is_folder=True)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open one file, from byte `start` on if MLflow has it on its own disk."""
        path = f"{self._root}/{remote.path}" if self._is_folder else self._root
        with self._client.stream(f"{self._service}/{quote(path)}", start, validator) as stream:
            yield stream

    def _entries(self, path: str) -> list[dict[str, Any]]:
        with self._client.get(f"{self._service}?{urlencode({'path': path})}") as response:
            body = response.read(_MAX_LISTING_BYTES)
        try:
            files = json.loads(body).get("files", [])
            if all(isinstance(file["path"], str) for file in files):
                return list(files)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            pass
        raise PassingError("its answer is not that of an MLflow server")


def _size(entry: dict[str, Any]) -> int | None:
    """Return the size in bytes, if known. MLflow writes 64-bit numbers as text."""
    return number_of(str(entry.get("file_size", "")))


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    """Return the header with the credentials. As in MLflow, user and password precede a token."""
    user = _secret("USERNAME") or unquote(user or "")
    password = _secret("PASSWORD") or unquote(password or "")
    token = _secret("TOKEN")
    if user and password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if not (token.isascii() and token.isprintable()):
        raise StartError("MLFLOW_TRACKING_TOKEN holds characters that an HTTP header cannot hold")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _secret(name: str) -> str:
    """Read a variable without a line break at its end, which secrets made from files often have."""
    return os.environ.get(f"MLFLOW_TRACKING_{name}", "").rstrip("\r\n")
