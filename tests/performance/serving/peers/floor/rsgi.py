"""The same answer through granian's RSGI, whose HTTP is written in Rust.

granian --interface rsgi --workers 1 --host 127.0.0.1 --port PORT rsgi:app
"""

from typing import Any

import msgspec

ANSWER = b'{"classes":[0]}'
HEADERS = [("content-type", "application/json")]

decode = msgspec.json.Decoder().decode


async def app(scope: Any, protocol: Any) -> None:
    body = await protocol()
    if body:
        decode(body)
    protocol.response_bytes(200, HEADERS, ANSWER)
