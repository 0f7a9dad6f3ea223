"""Requests that offer another protocol: they are answered in this one.

HTTP clients of Java and curl offer HTTP/2 with their first request (`Upgrade: h2c`), and a server
may ignore the offer (RFC 9110, 7.8). The parser takes all that follows the head for the other
protocol, the request's own body too; so the head is parsed a second time without the offer.
"""

from __future__ import annotations

from servestack_server.http.request import Request

_LEFT_OUT = (b"upgrade", b"connection", b"http2-settings", b"expect")


def head_without_upgrade(request: Request) -> bytes:
    """The head of a request as it would have been sent without the offer."""
    path = request.path.encode("latin-1")
    target = path + b"?" + request.query if request.query else path
    lines = [b"%b %b HTTP/1.1" % (request.method, target)]
    lines += [
        b"%b: %b" % header for header in request.headers.items() if header[0] not in _LEFT_OUT
    ]
    if b"close" in request.headers.get(b"connection", b"").lower():
        lines.append(b"connection: close")
    return b"\r\n".join((*lines, b"", b""))
