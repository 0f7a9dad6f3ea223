"""Requests that offer another protocol are answered over HTTP/1.1.

HTTP clients of Java and curl offer HTTP/2 with their first request (`Upgrade: h2c`), and a server
may ignore the offer (RFC 9110, 7.8). But the parser treats everything after the head as the other
protocol, even the request's own body. So the head is parsed a second time without the offer.
"""

from __future__ import annotations

from servestack_server.http.request import Request

_LEFT_OUT = (b"upgrade", b"connection", b"http2-settings", b"expect")


def head_without_upgrade(request: Request) -> bytes:
    """Return the head of a request without the headers that offer another protocol."""
    path = request.path.encode("latin-1")
    target = path + b"?" + request.query if request.query else path
    lines = [b"%b %b HTTP/1.1" % (request.method, target)]
    lines += [
        b"%b: %b" % header for header in request.headers.items() if header[0] not in _LEFT_OUT
    ]
    if b"close" in request.headers.get(b"connection", b"").lower():
        lines.append(b"connection: close")
    return b"\r\n".join((*lines, b"", b""))
