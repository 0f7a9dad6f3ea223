"""Objects of s3 and gs, read through fsspec with the pod's credentials."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from servestack_server.errors import StartError, first_line
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.missing import missing_package
from servestack_server.fetch.sources.source import Listing, PassingError, Remote, Stream

T = TypeVar("T")
_BLOCK_BYTES = 32 << 20
"""Size of one request: it must fit in memory, and be large enough that the round trips cost little."""
_NO_CREDENTIALS = ("credentials", "TokenRetrievalError", "RefreshError", "DefaultCredentialsError")


class ObjectStoreSource:
    """One object, or all objects below a prefix, at an address that `why_not_fetched` passes."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._scheme = parts.scheme
        # A key may hold `?` and `#`.
        self._root = uri.partition("://")[2].rstrip("/")
        self.shown = f"{parts.scheme}://{self._root}"
        self.hint = (
            f"check the address, and that the pod's service account may read it with {parts.scheme}"
        )
        self._store: Any = None
        self._infos: dict[str, dict[str, Any]] = {}

    def list_files(self) -> Listing:
        """List all objects below the prefix, or the object of that name if there are none."""
        found = self._ask(lambda store: store.find(self._root, detail=True))
        prefix = f"{self._root}/"
        for key, info in found.items():
            if key.startswith(prefix) and info["type"] == "file" and not key.endswith("/"):
                self._infos[checked_path(key.removeprefix(prefix), self.shown)] = info
        is_folder = bool(self._infos)
        if not is_folder:
            name = checked_path(self._root.rpartition("/")[2], self.shown)
            info = self._ask(lambda store: store.info(self._root))
            if info["type"] != "file":
                raise StartError(f"{self.shown}: holds no files", self.hint)
            self._infos[name] = info
        files = (Remote(path, int(info["size"])) for path, info in sorted(self._infos.items()))
        return Listing(tuple(files), is_folder)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open one object, read in blocks. Its validator is the ETag of the listing."""
        info = self._infos[remote.path]
        tag = str(info.get("ETag") or info.get("etag") or "")
        begin = start if tag and tag == validator else 0
        yield Stream(begin, remote.size_bytes, tag, self._blocks(info, begin))

    def _blocks(self, info: dict[str, Any], start: int) -> Iterator[bytes]:
        key, size_bytes = info["name"], int(info["size"])
        for begin in range(start, size_bytes, _BLOCK_BYTES):
            end = min(begin + _BLOCK_BYTES, size_bytes)
            block = self._block(key, begin, end)
            if len(block) != end - begin:
                raise PassingError(f"it sent {len(block):,} of {end - begin:,} bytes")
            yield block

    def _block(self, key: str, begin: int, end: int) -> bytes:
        block: bytes = self._ask(lambda store: store.cat_file(key, start=begin, end=end))
        return block

    def _ask(self, question: Callable[[Any], T]) -> T:
        """Ask the store. Raises StartError or PassingError for the errors of its clients."""
        if self._store is None:
            self._store = self._connect()
        try:
            return question(self._store)
        except FileNotFoundError:
            bucket = self._root.partition("/")[0]
            missing = "is not there" if self._has(bucket) else f"there is no bucket {bucket}"
            raise StartError(f"{self.shown}: {missing}", self.hint) from None
        except PermissionError as error:
            raise StartError(f"{self.shown}: access is refused: {error}", self.hint) from None
        except Exception as error:  # botocore, aiohttp and google-auth have no common base class
            reason = first_line(error)
            if any(
                sign.lower() in f"{type(error).__name__} {reason}".lower()
                for sign in _NO_CREDENTIALS
            ):
                raise StartError(f"{self.shown}: no access: {reason}", self.hint) from None
            raise PassingError(reason) from None

    def _has(self, bucket: str) -> bool:
        """Whether there is a bucket, as far as this user may know."""
        try:
            if self._scheme == "s3":
                self._store.call_s3("head_bucket", Bucket=bucket)
            else:
                self._store.call("GET", "b/{}", bucket, json_out=True)
        except FileNotFoundError:
            return False
        except Exception:
            return True  # Who may read objects need not have a right to ask for their bucket.
        return True

    def _connect(self) -> Any:
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if self._scheme == "s3":
            options |= _s3_options()
        # Otherwise gcsfs asks over gRPC which kind of bucket it is. If only HTTPS may leave the
        # network, that takes minutes.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        try:
            import fsspec

            return fsspec.filesystem(self._scheme, **options)
        except ImportError:
            raise missing_package(self.shown, self._scheme) from None


def _s3_options() -> dict[str, Any]:
    """Return what the variables say that botocore does not read itself.

    It reads AWS_ENDPOINT_URL and AWS_DEFAULT_REGION, and uses the path style (the bucket in the
    path, not in the host's name) wherever an endpoint is set. The names of MLflow come from
    mlflow/environment_variables.py of MLflow 3.17; EKS sets AWS_REGION.
    """
    client: dict[str, Any] = {}
    if endpoint := os.environ.get("MLFLOW_S3_ENDPOINT_URL"):
        client["endpoint_url"] = endpoint
    if "AWS_DEFAULT_REGION" not in os.environ and (region := os.environ.get("AWS_REGION")):
        client["region_name"] = region
    options: dict[str, Any] = {"client_kwargs": client}
    if style := os.environ.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"):
        options["config_kwargs"] = {"s3": {"addressing_style": style}}
    return options
