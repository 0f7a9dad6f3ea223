"""Files of a Databricks workspace, read by Databricks' own client.

    dbfs:/<path>                                          DBFS, in blocks of a megabyte
    dbfs:/Volumes/<catalog>/<schema>/<volume>/<path>      a volume of Unity Catalog, as a stream

The workspace and the credentials are DATABRICKS_HOST and DATABRICKS_TOKEN, or whatever else the
client accepts, such as DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from servestack_server.errors import StartError, first_line
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.http_failures import reason_of
from servestack_server.fetch.sources.missing import missing_package
from servestack_server.fetch.sources.source import (
    CHUNK_BYTES,
    Listing,
    PassingError,
    Remote,
    Stream,
)

T = TypeVar("T")
_VOLUMES = "/Volumes/"
_MAX_FILES = 100_000
_TIMEOUT_SECONDS = 60


class DatabricksSource:
    """A file, or a folder with all that is below it."""

    hint = (
        "check the address, and that DATABRICKS_HOST and DATABRICKS_TOKEN, or "
        "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, give access to it"
    )

    def __init__(self, uri: str) -> None:
        # A name may hold `?` and `#`.
        path = uri.partition(":")[2].strip("/")
        self._root = "/" + checked_path(path, uri)
        self.shown = f"dbfs:{self._root}"
        self._client: Any = None
        self._is_folder = True
        self._validators: dict[str, str] = {}

    def list_files(self) -> Listing:
        """List all files, folder by folder. Raises StartError for too many."""
        size_bytes, modified = self._ask(self._status)
        self._is_folder = size_bytes is None
        if size_bytes is not None:
            name = checked_path(self._root.rpartition("/")[2], self.shown)
            self._validators[name] = f"{modified}-{size_bytes}"
            return Listing((Remote(name, size_bytes),), is_folder=False)
        files: list[Remote] = []
        folders = [self._root]
        while folders:
            for path, size, is_folder, modified in self._ask(self._entries(folders.pop())):
                if is_folder:
                    folders.append(path)
                else:
                    name = checked_path(path.removeprefix(f"{self._root}/"), self.shown)
                    self._validators[name] = f"{modified}-{size}"
                    files.append(Remote(name, size))
                if len(files) + len(folders) > _MAX_FILES:
                    raise StartError(f"{self.shown}: lists more than {_MAX_FILES:,} files")
        return Listing(tuple(sorted(files, key=lambda remote: remote.path)), is_folder=True)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open one file at a byte. Its validator is the time and size of the listing."""
        path = f"{self._root}/{remote.path}" if self._is_folder else self._root
        now, size_bytes = self._validators[remote.path], remote.size_bytes or 0
        begin = start if validator == now else 0
        if not path.startswith(_VOLUMES):
            yield Stream(begin, size_bytes, now, self._blocks(path, begin, size_bytes))
            return
        stream, came_bytes = self._ask(lambda client: _opened(client, path, begin))
        try:
            # A server that sends the whole file has not read the range.
            begin = 0 if came_bytes == size_bytes else begin
            yield Stream(begin, size_bytes, now, self._chunks(stream))
        finally:
            stream.close()

    def _status(self, client: Any) -> tuple[int | None, str]:
        """Return (size in bytes, time); the size is None for a folder."""
        from databricks.sdk.errors import NotFound

        if not self._root.startswith(_VOLUMES):
            status = client.dbfs.get_status(self._root)
            return (None if status.is_dir else status.file_size), str(status.modification_time)
        try:
            client.files.get_directory_metadata(self._root)
        except NotFound:
            found = client.files.get_metadata(self._root)
            return int(found.content_length), str(found.last_modified)
        return None, ""

    def _entries(self, folder: str) -> Callable[[Any], list[tuple[str, int, bool, str]]]:
        """Return a question for (path, size in bytes, whether it is a folder, time) in a folder."""

        def question(client: Any) -> list[tuple[str, int, bool, str]]:
            if folder.startswith(_VOLUMES):
                return [
                    (one.path, one.file_size or 0, bool(one.is_directory), str(one.last_modified))
                    for one in client.files.list_directory_contents(folder)
                ]
            return [
                (one.path, one.file_size or 0, bool(one.is_dir), str(one.modification_time))
                for one in client.dbfs.list(folder)
            ]

        return question

    def _blocks(self, path: str, start: int, size_bytes: int) -> Iterator[bytes]:
        for begin in range(start, size_bytes, CHUNK_BYTES):
            length = min(CHUNK_BYTES, size_bytes - begin)
            block = base64.b64decode(self._read(path, begin, length) or "")
            if len(block) != length:
                raise PassingError(f"it sent {len(block):,} of {length:,} bytes")
            yield block

    def _read(self, path: str, begin: int, length: int) -> str | None:
        answer = self._ask(lambda client: client.dbfs.read(path, offset=begin, length=length))
        data: str | None = answer.data
        return data

    def _chunks(self, stream: Any) -> Iterator[bytes]:
        while data := self._ask(lambda _: stream.read(CHUNK_BYTES)):
            yield data

    def _ask(self, question: Callable[[Any], T]) -> T:
        """Ask the workspace. Raises StartError or PassingError for the errors of its client."""
        if self._client is None:
            self._client = self._connect()
        from databricks.sdk.errors import (
            BadRequest,
            DatabricksError,
            NotFound,
            PermissionDenied,
            Unauthenticated,
        )

        try:
            return question(self._client)
        except NotFound as error:
            raise StartError(f"{self.shown}: is not there: {_said(error)}", self.hint) from None
        except (PermissionDenied, Unauthenticated) as error:
            raise StartError(
                f"{self.shown}: access is refused: {_said(error)}", self.hint
            ) from None
        except BadRequest as error:
            raise StartError(f"{self.shown}: {_said(error)}", self.hint) from None
        except DatabricksError as error:
            raise _passing(error) from None
        except ValueError as error:  # Credentials that lead to no token.
            raise StartError(f"{self.shown}: no access: {_said(error)}", self.hint) from None
        except OSError as error:  # Also the client's own TimeoutError, and those of requests.
            raise _passing(error.__cause__ or error) from None

    def _connect(self) -> Any:
        try:
            from databricks.sdk import WorkspaceClient
            from databricks.sdk.config import Config
        except ImportError:
            raise missing_package(self.shown, "dbfs") from None
        try:
            config = Config(
                http_timeout_seconds=_TIMEOUT_SECONDS,
                retry_timeout_seconds=1,
                clock=_OneTry(),
                product="servestack",
            )
            return WorkspaceClient(config=config)
        except ValueError as error:
            raise StartError(f"{self.shown}: no access: {_said(error)}", self.hint) from None


def _opened(client: Any, path: str, begin: int) -> tuple[Any, int]:
    """Return (stream, its size in bytes) of a volume's file from a byte on.

    The client's own `download` begins at the first byte only.
    """
    headers = {"Accept": "application/octet-stream"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    answer = client.api_client.do(
        "GET",
        f"/api/2.0/fs/files{quote(path)}",
        headers=headers,
        response_headers=["content-length"],
        raw=True,
    )
    return answer["contents"], int(answer.get("content-length") or 0)


def _passing(error: BaseException) -> PassingError:
    wait = float(getattr(error, "retry_after_secs", None) or 0)
    if isinstance(error, OSError):
        return PassingError(reason_of(str(error), type(error).__name__), wait)
    return PassingError(_said(error), wait)


def _said(error: BaseException) -> str:
    """Return what the client says, without the configuration that it adds to it."""
    return first_line(error).partition(". Config: ")[0]


class _OneTry:
    """A clock for the client, by which its first wait is its last: the tries are counted here, as
    for every other store, and the waits are those of `Patience`."""

    def __init__(self) -> None:
        self._now_seconds = 0.0

    def time(self) -> float:
        return self._now_seconds

    def sleep(self, seconds: float) -> None:
        self._now_seconds += max(seconds, _TIMEOUT_SECONDS)
