"""The least that a Python HTTP server can do: uvloop and httptools, the body decoded, one answer.

python echo.py PORT
"""

import asyncio
import sys
from typing import Any

import httptools
import msgspec
import uvloop

ANSWER = b'{"classes":[0]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
RESPONSE = HEAD + str(len(ANSWER)).encode() + b"\r\n\r\n" + ANSWER

decode = msgspec.json.Decoder().decode


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.Transport
        self._write = transport.write
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._body:
            decode(self._body[0] if len(self._body) == 1 else b"".join(self._body))
            self._body.clear()
        self._write(RESPONSE)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
