"""HTTP/1.1 on one event loop, for any application.

`server.py` accepts connections, and `state.py` holds what they share. `connection.py` feeds the
bytes of a socket to httptools and hands complete requests to the application, one at a time and in
order, with limits on headers, bodies and time; `draining.py` reads what callers still send on
connections that end. `request.py` is a request and the one way to answer it, `response.py` the bytes
of the answer. The parser is httptools and the event loop is uvloop. The code between them is written
here, because an ASGI or RSGI layer costs more than a whole request (docs/adr/0008).
"""
