"""The same answer through ASGI.

uvicorn asgi:app --http httptools --loop uvloop --no-access-log --port PORT
"""

from typing import Any

import msgspec

ANSWER = b'{"classes":[0]}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")],
}
BODY = {"type": "http.response.body", "body": ANSWER}

decode = msgspec.json.Decoder().decode


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return  # Lifespan: nothing is to be started.
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if body:
        decode(body)
    await send(START)
    await send(BODY)
