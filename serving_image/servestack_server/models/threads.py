"""The number of threads of one prediction."""

from __future__ import annotations

import os

from servestack_server.errors import StartError


def thread_count() -> int:
    """Return SERVESTACK_THREADS, or 1 if it is not set: a service scales by pods, not by threads.

    Raises StartError for a value that is not a number from 1 to 1024.
    """
    text = os.environ.get("SERVESTACK_THREADS") or "1"
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise StartError(f"SERVESTACK_THREADS is {text!r}", "use a number from 1 to 1024")
    return int(text)
