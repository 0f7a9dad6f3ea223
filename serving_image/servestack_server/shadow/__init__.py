"""Copies of answered requests for a shadow: another version that answers no caller.

`copies.py` takes copies and decides which are kept, `connection.py` sends them, `traffic_file.py`
reads which share goes where. Nothing here is waited for by a request: a copy is taken after its
answer has been written.
"""
