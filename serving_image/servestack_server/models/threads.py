"""How many threads one prediction may use."""

from __future__ import annotations

import os

from servestack_server.errors import StartError


def thread_count() -> int:
    """SERVESTACK_THREADS, 1 where it is not set: a server scales by pods, not by threads."""
    text = os.environ.get("SERVESTACK_THREADS") or "1"
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise StartError(f"SERVESTACK_THREADS is {text!r}", "a number from 1 to 1024")
    return int(text)
