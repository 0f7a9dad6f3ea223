"""Chooses the source for an address. A source is imported only when it is needed.

Which schemes there are stands in `servestack_contract.sources`.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from servestack_contract.sources import SCHEMES, why_not_fetched
from servestack_server.errors import StartError
from servestack_server.fetch.sources.source import Source


def choose_source(uri: str) -> Source:
    """Return the source of an address. Raises StartError for an address that cannot be fetched."""
    refusal = why_not_fetched(uri)
    if refusal is not None:
        raise StartError(refusal.message, refusal.hint)
    parts = urlsplit(uri)
    match SCHEMES[parts.scheme].reader:
        case "local":
            from servestack_server.fetch.sources.local import LocalSource

            return LocalSource(unquote(parts.path) if parts.scheme else uri)
        case "mlflow":
            from servestack_server.fetch.sources.mlflow import mlflow_source

            return mlflow_source(uri)
        case "https":
            from servestack_server.fetch.sources.http import HttpsSource

            return HttpsSource(uri)
        case "object store":
            from servestack_server.fetch.sources.object_store import ObjectStoreSource

            return ObjectStoreSource(uri)
        case "azure":
            from servestack_server.fetch.sources.azure import AzureSource

            return AzureSource(uri)
        case "databricks":
            from servestack_server.fetch.sources.databricks import DatabricksSource

            return DatabricksSource(uri)
        case "webhdfs":
            from servestack_server.fetch.sources.webhdfs import webhdfs_source

            return webhdfs_source(uri)
