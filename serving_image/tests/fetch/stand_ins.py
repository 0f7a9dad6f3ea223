"""Servers of ours that answer as WebHDFS and Databricks document it.

They are stand-ins: there is no namenode and no workspace here to ask, so what the real ones do
beyond their documentation is not tested.
Sources: https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html,
https://docs.databricks.com/api/workspace/dbfs and https://docs.databricks.com/api/workspace/files
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_READ_BYTES = 1 << 20
"""What DBFS reads at most in one request."""


@dataclass
class Tree:
    """Files by their absolute path, further folders, and what the server saw.

    `faults` are statuses that are used up, one a request; `allowed` are the values of the header
    Authorization that have access, or every value if it is empty.
    """

    files: dict[str, bytes]
    folders: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    faults: list[int] = field(default_factory=list)
    allowed: tuple[str, ...] = ()
    modified: int = 1_700_000_000_000
    ranges: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def is_folder(self, path: str) -> bool:
        return path in self.folders or any(name.startswith(f"{path}/") for name in self.files)

    def children(self, path: str) -> list[str]:
        """The names in a folder, in no order that a reader may rely on."""
        prefix = f"{path.rstrip('/')}/"
        known = [*self.files, *self.folders, *self.links]
        below = {name.removeprefix(prefix) for name in known if name.startswith(prefix)}
        return sorted({name.partition("/")[0] for name in below}, reverse=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tree: Tree

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.tree.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        if self.path.startswith("/.well-known/"):
            # Where the client looks first. It goes on without an answer.
            self.send(404, b"{}")
        elif self.tree.faults:
            self.send(self.tree.faults.pop(0), b"{}", {"Retry-After": "0"})
        elif self.tree.allowed and self.headers.get("Authorization") not in self.tree.allowed:
            self.refuse()
        else:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.answer(unquote(parts.path), query)

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, path: str, query: dict[str, str]) -> None:
        raise NotImplementedError

    def refuse(self) -> None:
        raise NotImplementedError

    def json(self, status: int, body: Any) -> None:
        self.send(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _WebHdfs(_Handler):
    """A namenode, and the datanode that it redirects to."""

    def answer(self, path: str, query: dict[str, str]) -> None:
        if path.startswith("/datanode/"):
            name = path.removeprefix("/datanode")
            self.send(200, self.tree.files[name][int(query.get("offset", "0")) :])
            return
        name = "/" + path.removeprefix("/webhdfs/v1").strip("/")
        if name not in self.tree.files and not self.tree.is_folder(name):
            error = {
                "exception": "FileNotFoundException",
                "message": f"File does not exist: {name}",
            }
            self.json(404, {"RemoteException": error})
        elif query["op"] == "GETFILESTATUS":
            self.json(200, {"FileStatus": self.status(name, "")})
        elif query["op"] == "LISTSTATUS":
            names = self.tree.children(name)
            entries = [self.status(f"{name.rstrip('/')}/{child}", child) for child in names]
            self.json(200, {"FileStatuses": {"FileStatus": entries}})
        else:
            rest = self.path.partition("?")[2]
            location = f"{self.tree.url}/datanode{path.removeprefix('/webhdfs/v1')}?{rest}"
            self.send(307, b"", {"Location": location.replace(" ", "%20").replace("#", "%23")})

    def status(self, path: str, suffix: str) -> dict[str, Any]:
        kind = "DIRECTORY" if self.tree.is_folder(path) else "FILE"
        return {
            "pathSuffix": suffix,
            "type": "SYMLINK" if path in self.tree.links else kind,
            "length": len(self.tree.files.get(path, b"")),
            "modificationTime": self.tree.modified,
        }

    def refuse(self) -> None:
        self.json(401, {"RemoteException": {"exception": "SecurityException", "message": "no"}})


class _Databricks(_Handler):
    """A workspace: DBFS, and the volumes of Unity Catalog."""

    def answer(self, path: str, query: dict[str, str]) -> None:
        if path.startswith("/api/2.0/fs/"):
            self.volumes(path)
            return
        name = query.get("path", "")
        if name not in self.tree.files and not self.tree.is_folder(name):
            error = {
                "error_code": "RESOURCE_DOES_NOT_EXIST",
                "message": f"No file or directory {name}",
            }
            self.json(404, error)
        elif path == "/api/2.0/dbfs/get-status":
            self.json(200, self.status(name))
        elif path == "/api/2.0/dbfs/list":
            children = self.tree.children(name)
            self.json(200, {"files": [self.status(f"{name}/{child}") for child in children]})
        elif path == "/api/2.0/dbfs/read":
            start, length = int(query["offset"]), int(query["length"])
            if length > _READ_BYTES:
                self.json(400, {"error_code": "MAX_READ_SIZE_EXCEEDED", "message": "too long"})
                return
            data = self.tree.files[name][start : start + length]
            self.json(200, {"bytes_read": len(data), "data": base64.b64encode(data).decode()})
        else:
            self.send(404, b"")

    def status(self, path: str) -> dict[str, Any]:
        is_folder = self.tree.is_folder(path)
        size = len(self.tree.files.get(path, b""))
        modified = self.tree.modified
        return {"path": path, "is_dir": is_folder, "file_size": size, "modification_time": modified}

    def volumes(self, path: str) -> None:
        kind, _, name = path.removeprefix("/api/2.0/fs/").partition("/")
        name = f"/{name}"
        if kind == "directories" and self.tree.is_folder(name):
            contents = [
                {
                    "path": one["path"],
                    "name": one["path"].rpartition("/")[2],
                    "is_directory": one["is_dir"],
                    "file_size": one["file_size"],
                    "last_modified": one["modification_time"],
                }
                for one in (self.status(f"{name}/{child}") for child in self.tree.children(name))
            ]
            self.json(200, {"contents": contents})
        elif kind == "files" and name in self.tree.files:
            body, status = self.tree.files[name], 200
            asked = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
            if asked and self.tree.ranges:
                body, status = body[int(asked) :], 206
            modified = "Tue, 14 Nov 2023 22:13:20 GMT"
            self.send(status, body, {"Last-Modified": modified})
        else:
            self.json(404, {"error_code": "NOT_FOUND", "message": f"{name} is not there"})

    def refuse(self) -> None:
        self.json(403, {"error_code": "PERMISSION_DENIED", "message": "the token has no access"})


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # A client may close early.
            super().handle_error(request, client_address)


@contextmanager
def serving_webhdfs(tree: Tree) -> Iterator[Tree]:
    """A stand-in for a namenode with these files."""
    yield from _serving(tree, _WebHdfs)


@contextmanager
def serving_databricks(tree: Tree) -> Iterator[Tree]:
    """A stand-in for a Databricks workspace with these files."""
    yield from _serving(tree, _Databricks)


def _serving(tree: Tree, handler: type[_Handler]) -> Iterator[Tree]:
    server = _Server(("127.0.0.1", 0), type("Handler", (handler,), {"tree": tree}))
    tree.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield tree
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
