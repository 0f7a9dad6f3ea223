"""Chooses the source for an address. A source is imported only when it is needed."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from servestack_server.errors import StartError
from servestack_server.fetch.sources.source import Source, without_secrets

_FORMS = "mlflow-artifacts:/…, https://…, s3://…, gs://…, file:… or a path"


def choose_source(uri: str) -> Source:
    """Return the source of an address. Raises StartError for an address that cannot be fetched."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise StartError(f"{uri!r} is not an address: {error}", f"use {_FORMS}") from None
    if parts.scheme in ("", "file"):
        from servestack_server.fetch.sources.local import LocalSource

        if parts.netloc not in ("", "localhost"):
            raise StartError(
                f"{uri}: names another machine", "use file:/path or file:relative/path"
            )
        return LocalSource(unquote(parts.path) if parts.scheme else uri)
    if parts.scheme == "mlflow-artifacts":
        from servestack_server.fetch.sources.mlflow import mlflow_source

        return mlflow_source(uri)
    if parts.scheme == "https":
        from servestack_server.fetch.sources.http import HttpsSource

        return HttpsSource(uri)
    if parts.scheme in ("s3", "gs"):
        from servestack_server.fetch.sources.object_store import ObjectStoreSource

        return ObjectStoreSource(uri)
    shown = without_secrets(uri)
    if parts.scheme == "http":
        raise StartError(f"{shown}: plain http can be changed in transit", "use https")
    if parts.scheme in ("models", "runs"):
        hint = "run servestack lock, which writes the exact address that a pod fetches"
        raise StartError(f"{shown}: can stand for another artifact later", hint)
    raise StartError(f"{shown}: artifacts are not fetched from {parts.scheme}:", f"use {_FORMS}")
