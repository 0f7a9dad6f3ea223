"""A git repository by HTTP on this machine, as a forge serves it: git's own `upload-pack` answers."""

from __future__ import annotations

import gzip
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SERVICE = "git-upload-pack"


@contextmanager
def serving_git(repository: Path, name: str = "models.git") -> Iterator[str]:
    """The address that a bare repository can be fetched from, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(repository, name)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{name}"
        finally:
            server.shutdown()
            thread.join(30)


def _handler(repository: Path, name: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Git's smart protocol: https://git-scm.com/docs/http-protocol."""

        def do_GET(self) -> None:
            if self.path != f"/{name}/info/refs?service={_SERVICE}":
                self.send_error(404)
                return
            refs = self._upload_pack("--http-backend-info-refs")
            self._answer("advertisement", b"001e# service=git-upload-pack\n0000" + refs)

        def do_POST(self) -> None:
            if self.path != f"/{name}/{_SERVICE}":
                self.send_error(404)
                return
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                asked = gzip.decompress(asked)
            self._answer("result", self._upload_pack(asked=asked))

        def _upload_pack(self, *options: str, asked: bytes = b"") -> bytes:
            command = ["git", "upload-pack", "--stateless-rpc", *options, str(repository)]
            return subprocess.run(command, input=asked, check=True, stdout=subprocess.PIPE).stdout

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"application/x-{_SERVICE}-{kind}")
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: a test's output is its own."""

    return Handler
