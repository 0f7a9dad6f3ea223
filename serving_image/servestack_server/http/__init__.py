"""HTTP/1.1 on one event loop, for any application.

`server.py` takes the connections, and `state.py` has what they share. `connection.py` feeds the
bytes of a socket to httptools and hands whole requests to the application, one at a time and in
order, with limits on heads, bodies and waiting. `request.py` is a request and the one way to answer
it, `response.py` the bytes of the answer. The parser and the loop are httptools and uvloop; what is
ours is what happens between them, because an ASGI or RSGI layer costs more than a whole request here
(docs/adr/0008).
"""
