"""A caller that says exactly which bytes it sends."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any

from serving_image.tests.support.server import Answer


class Caller:
    """One connection."""

    def __init__(self, port: int, *, timeout_seconds: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, has_body: bool = True) -> Answer:
        """The next answer. EOFError when the connection ends before it."""
        line = self._stream.readline()
        if not line:
            raise EOFError("the connection has ended")
        assert line.startswith(b"HTTP/1.1 "), line
        headers: dict[str, str] = {}
        while (header := self._stream.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0")) if has_body else 0
        body = self._stream.read(length)
        assert len(body) == length
        return Answer(int(line.split()[1]), headers, body)

    def ask(self, data: bytes) -> Answer:
        self.send(data)
        return self.answer()

    def rest(self) -> bytes:
        """All that comes until the connection ends."""
        return self._stream.read()


def get(path: str = "/livez", *headers: str) -> bytes:
    """The bytes of a GET."""
    lines = [f"GET {path} HTTP/1.1", "host: test", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(body: Any, *headers: str, path: str = "/v1/iris/predict") -> bytes:
    """The bytes of a POST; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: test", f"content-length: {len(content)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def chunked(chunks: list[bytes], *headers: str, path: str = "/v1/iris/predict") -> bytes:
    """The bytes of a POST whose body comes in chunks."""
    lines = [f"POST {path} HTTP/1.1", "host: test", "transfer-encoding: chunked", *headers]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "\r\n".join([*lines, "", ""]).encode() + body + b"0\r\n\r\n"
