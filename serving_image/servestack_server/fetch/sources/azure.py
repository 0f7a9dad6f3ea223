"""Blobs of Azure Blob Storage and Data Lake Storage Gen2, read by Azure's own client.

    abfss://<container>@<account>.dfs.core.windows.net/<path>    as Spark and MLflow write it
    wasbs://<container>@<account>.blob.core.windows.net/<path>   as MLflow writes it
    az://<container>/<path>                                      the account is in a variable

All of them name the same blobs, and every one is read over https at the account's blob endpoint.
Only AZURE_STORAGE_CONNECTION_STRING can name another endpoint, as for Azurite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from servestack_server.errors import StartError
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.azure_failures import explained
from servestack_server.fetch.sources.missing import missing_package
from servestack_server.fetch.sources.source import (
    CHUNK_BYTES,
    Listing,
    PassingError,
    Remote,
    Stream,
)

_BLOCK_BYTES = 32 << 20
"""Size of one request: it must fit in memory, and be large enough that the round trips cost little."""
_TIMEOUTS_SECONDS = {"connection_timeout": 10, "read_timeout": 60}
_ACCOUNT = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
_KEY = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY")
"""Names of fsspec, MLflow and the command line of Azure for the same thing."""


class AzureSource:
    """One blob, or all blobs below a prefix, at an address that `why_not_fetched` passes."""

    hint = (
        "check the address, and that the pod may read it: by the identity of its service account "
        "(role Storage Blob Data Reader), or by AZURE_STORAGE_CONNECTION_STRING, "
        "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN"
    )

    def __init__(self, uri: str) -> None:
        # A blob's name may hold `?` and `#`.
        self._scheme, _, rest = uri.partition("://")
        place, _, path = rest.partition("/")
        self._container, _, self._host = place.partition("@")
        self._root = path.strip("/")
        self.shown = f"{self._scheme}://{place}/{self._root}"
        self._client: Any = None
        self._is_folder = False
        self._tags: dict[str, str] = {}

    def list_files(self) -> Listing:
        """List all blobs below the prefix, or the blob of that name if there are none."""
        with explained(self.shown, self._where(), self.hint):
            container = self._connected()
            prefix = f"{self._root}/"
            sizes: dict[str, int] = {}
            has_folders = False
            for blob in container.list_blobs(name_starts_with=prefix, include=["metadata"]):
                # In a hierarchical namespace, a folder is a blob without bytes.
                if _is_folder(blob) or blob.name.endswith("/"):
                    has_folders = True
                    continue
                name = checked_path(blob.name.removeprefix(prefix), self.shown)
                sizes[name], self._tags[name] = blob.size, blob.etag
            self._is_folder = bool(sizes)
            if not sizes:
                if has_folders:
                    raise StartError(f"{self.shown}: holds no files", self.hint)
                blob = container.get_blob_client(self._root).get_blob_properties()
                if _is_folder(blob):
                    raise StartError(f"{self.shown}: holds no files", self.hint)
                name = checked_path(self._root.rpartition("/")[2], self.shown)
                sizes[name], self._tags[name] = blob.size, blob.etag
        files = (Remote(name, size) for name, size in sorted(sizes.items()))
        return Listing(tuple(files), self._is_folder)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open one blob, read in blocks. Its validator is the ETag of the listing."""
        tag = self._tags[remote.path]
        begin = start if tag == validator else 0
        yield Stream(begin, remote.size_bytes, tag, self._blocks(remote, begin, tag))

    def _blocks(self, remote: Remote, start: int, tag: str) -> Iterator[bytes]:
        """Yield the blob from a byte on. Azure refuses a block if the blob has changed meanwhile."""
        name = f"{self._root}/{remote.path}" if self._is_folder else self._root
        size_bytes = remote.size_bytes or 0
        for begin in range(start, size_bytes, _BLOCK_BYTES):
            length = min(_BLOCK_BYTES, size_bytes - begin)
            with explained(self.shown, self._where(), self.hint):
                from azure.core import MatchConditions

                blob = self._connected().get_blob_client(name)
                stream = blob.download_blob(
                    offset=begin,
                    length=length,
                    etag=tag,
                    match_condition=MatchConditions.IfNotModified,
                )
                came_bytes = 0
                # What has arrived is kept if the connection breaks.
                for chunk in stream.chunks():
                    came_bytes += len(chunk)
                    yield chunk
            if came_bytes != length:
                raise PassingError(f"it sent {came_bytes:,} of {length:,} bytes")

    def _where(self) -> str:
        account = self._host.partition(".")[0] or _variable(*_ACCOUNT)
        return f"container {self._container} of the account {account}".removesuffix(
            " of the account "
        )

    def _connected(self) -> Any:
        """Return the client of the container. Raises StartError if no credentials are named."""
        if self._client is not None:
            return self._client
        try:
            from azure.storage.blob import BlobServiceClient
        except ImportError:
            raise missing_package(self.shown, self._scheme) from None
        # The tries are counted here as for every other store.
        options: dict[str, Any] = {
            "retry_total": 0,
            "max_single_get_size": CHUNK_BYTES,
            "max_chunk_get_size": 4 * CHUNK_BYTES,
            **_TIMEOUTS_SECONDS,
        }
        text = _variable("AZURE_STORAGE_CONNECTION_STRING")
        if text:
            service = self._from_connection_string(text, options)
        else:
            service = BlobServiceClient(self._endpoint(), credential=self._credential(), **options)
        self._client = service.get_container_client(self._container)
        return self._client

    def _from_connection_string(self, text: str, options: dict[str, Any]) -> Any:
        from azure.storage.blob import BlobServiceClient

        try:
            service = BlobServiceClient.from_connection_string(text, **options)
        except ValueError:
            # The text holds a key, so it is not shown.
            raise StartError(
                f"{self.shown}: AZURE_STORAGE_CONNECTION_STRING is not a connection string",
                "copy it from the account's access keys",
            ) from None
        account = self._host.partition(".")[0]
        if account and service.account_name and account != service.account_name:
            raise StartError(
                f"{self.shown}: is in the account {account}, and AZURE_STORAGE_CONNECTION_STRING "
                f"is that of {service.account_name}",
                "use the connection string of the account that the address names",
            )
        return service

    def _endpoint(self) -> str:
        if self._host:
            return f"https://{self._host.replace('.dfs.', '.blob.', 1)}"
        account = _variable(*_ACCOUNT)
        if not account:
            raise StartError(
                f"{self.shown}: names no account",
                f"set {_ACCOUNT[0]}, or write {self._scheme}://{self._container}@<account>"
                f".blob.core.windows.net/{self._root}",
            )
        return f"https://{account}.blob.core.windows.net"

    def _credential(self) -> Any:
        """Return a key, a token, None for anonymous reading, or the pod's own identity."""
        if key := _variable(*_KEY):
            # With a string, the client takes the account's name from the address.
            account = self._host.partition(".")[0] or _variable(*_ACCOUNT)
            return {"account_name": account, "account_key": key}
        if token := _variable("AZURE_STORAGE_SAS_TOKEN"):
            from azure.core.credentials import AzureSasCredential

            return AzureSasCredential(token.removeprefix("?"))
        if _variable("AZURE_STORAGE_ANON").lower() in ("true", "1", "t"):
            return None
        try:
            from azure.identity import DefaultAzureCredential
        except ImportError:
            raise StartError(
                f"{self.shown}: needs the package azure-identity for a token of Microsoft Entra",
                "install it, or set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
            ) from None
        return DefaultAzureCredential()


def _is_folder(blob: Any) -> bool:
    return str((blob.metadata or {}).get("hdi_isfolder", "")).lower() == "true"


def _variable(*names: str) -> str:
    """Read the first of some variables that is set, without a line break at its end."""
    found = (os.environ.get(name, "").rstrip("\r\n") for name in names)
    return next(filter(None, found), "")
