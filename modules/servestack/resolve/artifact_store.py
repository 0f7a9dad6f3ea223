"""Artifacts outside a registry: s3, gs, https, and files of the project."""

from __future__ import annotations

import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from servestack.errors import Problem, RegistryError
from servestack.resolve import mlflow_registry
from servestack.resolve.registry import Found
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri

MAX_DOWNLOAD_BYTES = 20 * 2**30
_TIMEOUT_SECONDS = 30
_CLIENTS = {"s3": ("boto3", "s3"), "gs": ("google.cloud.storage", "gs")}


class ArtifactStore:
    """Fetches what an address names directly. `root` is the project, for relative file: paths."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, uri: ArtifactUri) -> Found:
        """The address itself; a relative file: becomes absolute."""
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
        """Fetch into a folder; a local artifact is read where it is."""
        parts = urlsplit(found.source)
        if parts.scheme == "file":
            return self._local(parts.path)
        target = folder / (Path(unquote(parts.path)).name or "artifact")
        if parts.scheme == "https":
            _fetch_https(found.source, target)
            return target
        return _fetch_from_bucket(found.source, parts.scheme, folder)

    def _local(self, path: str) -> Path:
        return self.root / unquote(path)


def _fetch_https(url: str, target: Path) -> None:
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer,
            target.open("wb") as stream,
        ):
            size_bytes = 0
            while chunk := answer.read(1 << 20):
                size_bytes += len(chunk)
                if size_bytes > MAX_DOWNLOAD_BYTES:
                    raise RegistryError(Problem("SRV226", f"{url}: is larger than 20 GiB"))
                stream.write(chunk)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise RegistryError(
            Problem("SRV226", f"{url}: cannot be fetched: {reason}", hint="is the address right?")
        ) from None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _fetch_from_bucket(source: str, scheme: str, folder: Path) -> Path:
    module, extra = _CLIENTS[scheme]
    if not _is_installed(module):
        hint = f"pip install 'servestack[{extra}]'"
        raise RegistryError(Problem("SRV227", f"{source}: needs the package {module}", hint=hint))
    try:
        return mlflow_registry.download(source, folder)
    except Exception as error:  # boto3 and google-cloud raise types of their own
        words = str(error).strip().splitlines()
        reason = words[0][:200] if words else type(error).__name__
        raise RegistryError(
            Problem(
                "SRV226", f"{source}: cannot be fetched: {reason}", hint="check the credentials"
            )
        ) from None
