"""Ids of requests: the caller's if it is valid, else a new one."""

from __future__ import annotations

import os

_LENGTHS = range(8, 129)
_CHARACTERS = frozenset(range(0x21, 0x7F)) - frozenset(b'"\\')


class RequestIds:
    """Makes unique ids: a prefix that is random for each process, then a counter.

    They have the form of a UUID, version 4 (RFC 9562, 5.4), so that consumers may store them in a
    UUID column.
    """

    def __init__(self) -> None:
        head = os.urandom(8).hex()
        self._prefix = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-".encode()
        self._counter = int.from_bytes(os.urandom(6)) << 8

    def next(self) -> bytes:
        """Return a new id of 36 characters."""
        self._counter = count = (self._counter + 1) & 0x3FFF_FFFF_FFFF_FFFF
        return b"%b%04x-%012x" % (self._prefix, 0x8000 | count >> 48, count & 0xFFFF_FFFF_FFFF)


new_id = RequestIds().next


def is_fit(given: bytes) -> bool:
    """Whether a caller's id is valid: 8 to 128 characters that need no escape in headers or JSON."""
    return len(given) in _LENGTHS and _CHARACTERS.issuperset(given)
