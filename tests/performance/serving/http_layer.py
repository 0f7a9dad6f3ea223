"""The server's own HTTP, and nothing of the product: the body decoded, one answer.

python http_layer.py PORT
"""

from __future__ import annotations

import asyncio
import socket
import sys

import msgspec
import uvloop

from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.http.server import HttpServer
from servestack_server.http.state import State

ANSWER = b'{"classes":[0]}'

decode = msgspec.json.Decoder().decode


class Echo:
    """An application."""

    def is_vital(self, request: Request) -> bool:
        return False

    def admit(self, request: Request) -> None:
        pass

    def handle(self, request: Request) -> None:
        if request.body:
            decode(request.body)
        request.answer(200, ANSWER)

    def refused(self, request: Request, error: RequestError) -> None:
        request.answer(int(error.status), b"")

    def timed_out(self, request: Request) -> None:
        request.answer(503, b"")


async def serve(port: int) -> None:
    server = HttpServer(State(max_body_bytes=4 << 20, timeout_seconds=30), Echo())
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    await server.listen(sock)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
