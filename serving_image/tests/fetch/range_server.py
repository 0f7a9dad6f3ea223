"""An HTTP server in a thread: ranges, TLS, and the faults of real networks."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Answers:
    """What the server does; a test changes it at will. `faults` are used up, one a request;
    `everything` is status and body of every answer, if it is set.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    everything: tuple[int, str] | None = None
    retry_after: str = ""
    ranges: bool = True
    validators: bool = True
    cut_after_bytes: int | None = None
    bytes_per_second: int | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent_bytes: int = 0
    url: str = ""

    def etag(self, path: str) -> str:
        """A strong tag of the file as it is now."""
        return f'"{sha256(self.files[path]).hexdigest()[:16]}"'


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Answers]:
    """A running server; with a certificate (PEM, with its key) it speaks https."""
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            answers.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            if answers.everything is not None:
                self.say(*answers.everything)
            elif answers.faults:
                self.fail(answers.faults.pop(0))
            elif self.path in answers.redirects:
                self.plain(302, {"Location": answers.redirects[self.path]})
            elif self.path.partition("?")[0] in answers.files:
                self.send_file(self.path.partition("?")[0])
            else:
                self.plain(404, {})

        def fail(self, status: int) -> None:
            if status:
                self.plain(status, {"Retry-After": answers.retry_after})
            else:
                self.close_connection = True

        def say(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def plain(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_file(self, path: str) -> None:
            body, start = answers.files[path], 0
            asked = _RANGE.fullmatch(self.headers.get("Range", ""))
            unchanged = self.headers.get("If-Range") in (None, answers.etag(path))
            if answers.ranges and asked and unchanged:
                start = int(asked[1])
                if start >= len(body):
                    self.plain(416, {"Content-Range": f"bytes */{len(body)}"})
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            if answers.validators:
                self.send_header("ETag", answers.etag(path))
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.send_body(memoryview(body)[start:])

        def send_body(self, body: memoryview) -> None:
            cut = answers.cut_after_bytes
            if cut is not None and cut < len(body):
                body = body[:cut]
                self.close_connection = True
            while body:
                block, body = body[:65536], body[65536:]
                try:
                    self.wfile.write(block)
                except OSError:
                    self.close_connection = True
                    return
                answers.sent_bytes += len(block)
                if answers.bytes_per_second:
                    time.sleep(len(block) / answers.bytes_per_second)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    answers.url = f"http{'s' if certificate else ''}://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that says the same bytes to everybody, and hangs up."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
