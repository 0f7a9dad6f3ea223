"""Fetches artifacts outside a registry: object stores, https, and files of the project."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from servestack.errors import Problem, RegistryError
from servestack.resolve import mlflow_registry, store_download
from servestack.resolve.registry import Found
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri
from servestack_contract.sources import MAX_DOWNLOAD_BYTES

_TIMEOUT_SECONDS = 30


class ArtifactStore:
    """The registry of addresses that name an artifact directly.

    `root` is the project's folder, to which file: paths are relative.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, uri: ArtifactUri) -> Found:
        """Return the address itself as the source.

        Raises RegistryError (SRV226) if a local file does not exist.
        """
        if uri.kind is ArtifactKind.LOCAL:
            path = self._local(uri.path)
            if not path.exists():
                hint = f"paths are relative to {self.root.name}/"
                raise RegistryError(
                    Problem("SRV226", f"{uri.text}: there is no such file", hint=hint)
                )
            return Found(uri.text)
        return Found(uri.text)

    def download(self, found: Found, folder: Path) -> Path:
        """Fetch an artifact into `folder` and return its path. A local one stays where it is.

        Raises RegistryError if it cannot be fetched (SRV226) or a package is missing (SRV227).
        """
        parts = urlsplit(found.source)
        if parts.scheme == "file":
            return self._local(parts.path)
        target = folder / (Path(unquote(parts.path)).name or "artifact")
        if parts.scheme == "https":
            _fetch_https(found.source, target)
            return target
        if store_download.is_read_by_fetch(found.source):
            return store_download.download(found.source, folder)
        return mlflow_registry.download(found.source, folder)

    def _local(self, path: str) -> Path:
        return self.root / unquote(path)


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to https, so that nobody can change the bytes in transit."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch_https(url: str, target: Path) -> None:
    opener = urllib.request.build_opener(_HttpsOnly)
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer, target.open("wb") as stream:
            size_bytes = 0
            while chunk := answer.read(1 << 20):
                size_bytes += len(chunk)
                if size_bytes > MAX_DOWNLOAD_BYTES:
                    raise ValueError(f"it is larger than {MAX_DOWNLOAD_BYTES:,} bytes")
                stream.write(chunk)
            # Python's client takes an early end of the stream as the end of the file.
            promised = answer.headers.get("Content-Length")
            if promised is not None and size_bytes != int(promised):
                raise ValueError(f"it ended after {size_bytes:,} of {int(promised):,} bytes")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = str(getattr(error, "reason", error)).strip() or type(error).__name__
        raise RegistryError(
            Problem("SRV226", f"{url}: cannot be fetched: {reason}", hint="check the address")
        ) from None
