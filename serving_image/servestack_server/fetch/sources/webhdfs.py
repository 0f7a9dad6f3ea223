"""Files of HDFS, read over WebHDFS: no Java, and no port but HTTP.

`GET /webhdfs/v1/<path>?op=GETFILESTATUS`, `op=LISTSTATUS` and `op=OPEN&offset=…`; the namenode
redirects the last one to a datanode. HttpFS and Knox speak the same.
Source: https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
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
from servestack_server.fetch.sources.http import HttpClient, chunks_of
from servestack_server.fetch.sources.source import Listing, PassingError, Remote, Stream

_DEFAULT_PORT = {"webhdfs": 9870, "swebhdfs": 9871}
"""The namenode's ports for HTTP and HTTPS since Hadoop 3."""
_MAX_FILES = 100_000
_MAX_LISTING_BYTES = 64 << 20
_HINT = (
    "check the address and WEBHDFS_URL, which must be that of the active namenode, HttpFS or Knox; "
    "HADOOP_USER_NAME, WEBHDFS_TOKEN, or WEBHDFS_USERNAME and WEBHDFS_PASSWORD give access"
)


def webhdfs_source(uri: str) -> WebHdfsSource:
    """Return the source of an address.

    The port in an hdfs: address is not that of HTTP, so WEBHDFS_URL names the server; without it,
    the address's host is asked at port 9870. Raises StartError if neither names a server.
    """
    parts = urlsplit(uri)
    server = os.environ.get("WEBHDFS_URL", "").strip().rstrip("/")
    if parts.scheme != "hdfs":
        port = parts.port or _DEFAULT_PORT[parts.scheme]
        server = f"http{'s' * (parts.scheme == 'swebhdfs')}://{_host(parts.hostname or '')}:{port}"
    elif not server and parts.hostname:
        server = f"http://{_host(parts.hostname)}:{_DEFAULT_PORT['webhdfs']}"
    if not server:
        raise StartError(
            f"{uri}: names no namenode, and WEBHDFS_URL is not set",
            "set it to the namenode's HTTP address, such as http://namenode:9870",
        )
    if urlsplit(server).scheme not in ("http", "https") or "@" in server:
        raise StartError(
            f"{uri}: WEBHDFS_URL is not an http or https address without credentials",
            "set it to the namenode's HTTP address, such as http://namenode:9870",
        )
    return WebHdfsSource(uri, server)


class WebHdfsSource:
    """A file, or a folder with all that is below it."""

    hint = _HINT

    def __init__(self, uri: str, server: str) -> None:
        self._service = f"{server}/webhdfs/v1"
        self._root = checked_path(unquote(urlsplit(uri).path).strip("/"), uri)
        self.shown = f"{without_secrets(uri)} of {server}"
        self._who = {
            "user.name": _secret("HADOOP_USER_NAME"),
            "delegation": _secret("WEBHDFS_TOKEN"),
        }
        if self._who["delegation"]:
            # A token says who asks. With both, the namenode refuses.
            del self._who["user.name"]
        self._client = HttpClient(_HINT, headers=_credentials(), shown=self.shown)
        self._is_folder = True
        self._validators: dict[str, str] = {}

    def list_files(self) -> Listing:
        """List all files, folder by folder. Raises StartError for links and too many files."""
        status = self._ask(self._root, "GETFILESTATUS", "FileStatus")
        self._is_folder = status["type"] == "DIRECTORY"
        if not self._is_folder:
            return Listing((self._remote(self._root.rpartition("/")[2], status),), is_folder=False)
        files: list[Remote] = []
        folders = [""]
        while folders:
            prefix = folders.pop()
            answer = self._ask(f"{self._root}/{prefix}".rstrip("/"), "LISTSTATUS", "FileStatuses")
            for entry in answer["FileStatus"]:
                path = checked_path(
                    prefix + checked_path(entry["pathSuffix"], self.shown), self.shown
                )
                if entry["type"] == "DIRECTORY":
                    folders.append(f"{path}/")
                elif entry["type"] == "FILE":
                    files.append(self._remote(path, entry))
                else:
                    raise StartError(
                        f"{self.shown}: {path} is a link", "replace it with a copy of the file"
                    )
                if len(files) + len(folders) > _MAX_FILES:
                    raise StartError(f"{self.shown}: lists more than {_MAX_FILES:,} files")
        return Listing(tuple(sorted(files, key=lambda remote: remote.path)), is_folder=True)

    @contextmanager
    def open(self, remote: Remote, start: int, validator: str) -> Iterator[Stream]:
        """Open one file at a byte. Its validator is the time and size of the listing."""
        now = self._validators[remote.path]
        begin = start if validator == now else 0
        if not remote.size_bytes:
            # An empty file has no block, and so no datanode to ask.
            yield Stream(0, 0, now, iter(()))
            return
        path = f"{self._root}/{remote.path}" if self._is_folder else self._root
        with self._client.get(self._url(path, op="OPEN", offset=str(begin))) as response:
            yield Stream(begin, remote.size_bytes, now, chunks_of(response))

    def _remote(self, path: str, status: dict[str, Any]) -> Remote:
        path = checked_path(path, self.shown)
        self._validators[path] = f"{status['modificationTime']}-{status['length']}"
        return Remote(path, int(status["length"]))

    def _ask(self, path: str, op: str, key: str) -> Any:
        with self._client.get(self._url(path, op=op)) as response:
            body = response.read(_MAX_LISTING_BYTES)
        try:
            answer = json.loads(body)[key]
            entries = answer["FileStatus"] if key == "FileStatuses" else [answer]
            for entry in entries:
                if not isinstance(entry["pathSuffix"], str) or not isinstance(entry["type"], str):
                    raise TypeError
                int(entry["length"]), int(entry["modificationTime"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise PassingError("its answer is not that of WebHDFS") from None
        return answer

    def _url(self, path: str, **query: str) -> str:
        given = query | {name: value for name, value in self._who.items() if value}
        return f"{self._service}/{quote(path)}?{urlencode(given)}"


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _credentials() -> dict[str, str]:
    user, password = _secret("WEBHDFS_USERNAME"), _secret("WEBHDFS_PASSWORD")
    if not (user and password):
        return {}
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _secret(name: str) -> str:
    """Read a variable without a line break at its end, which secrets made from files often have."""
    return os.environ.get(name, "").rstrip("\r\n")
