"""Ids of requests: the caller's where it is fit to be one, else a new one."""

from __future__ import annotations

import os

_LENGTHS = range(8, 129)
_CHARACTERS = frozenset(range(0x21, 0x7F)) - frozenset(b'"\\')


class RequestIds:
    """Ids that no other process makes: random for the process, counted within it.

    Written as UUIDs are, version 4 in form, so that consumers may keep them in such a column.
    """

    def __init__(self) -> None:
        head = os.urandom(8).hex()
        self._prefix = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-".encode()
        self._counter = int.from_bytes(os.urandom(6)) << 8

    def next(self) -> bytes:
        """An id of 36 characters."""
        self._counter = count = (self._counter + 1) & 0x3FFF_FFFF_FFFF_FFFF
        return b"%b%04x-%012x" % (self._prefix, 0x8000 | count >> 48, count & 0xFFFF_FFFF_FFFF)


new_id = RequestIds().next


def is_fit(given: bytes) -> bool:
    """Whether an id that a caller sends may stand in headers and in JSON as it is."""
    return len(given) in _LENGTHS and _CHARACTERS.issuperset(given)
