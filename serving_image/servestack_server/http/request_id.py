"""Ids of requests: the caller's if it is valid, else a new one."""

from __future__ import annotations

import os

_LENGTHS = range(8, 129)
_CHARACTERS = frozenset(range(0x21, 0x7F)) - frozenset(b'"\\')
_LAST_DIGITS = [b"%02x" % count for count in range(256)]
"""Formatting an id takes half a microsecond, so only every 256th is formatted as a whole."""


class RequestIds:
    """Makes unique ids: a prefix that is random for each process, then a counter.

    They have the form of a UUID, version 4 (RFC 9562, 5.4), so that consumers may store them in a
    UUID column.
    """

    def __init__(self) -> None:
        head = os.urandom(8).hex()
        self._process = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-".encode()
        self._count = int.from_bytes(os.urandom(6)) << 8
        self._within = len(_LAST_DIGITS)
        self._prefix = b""

    def next(self) -> bytes:
        """Return a new id of 36 characters."""
        within = self._within
        if within == len(_LAST_DIGITS):
            self._count = count = (self._count + within) & 0x3FFF_FFFF_FFFF_FFFF
            digits = b"%04x-%012x" % (0x8000 | count >> 48, count & 0xFFFF_FFFF_FFFF)
            self._prefix = self._process + digits[:-2]
            within = 0
        self._within = within + 1
        return self._prefix + _LAST_DIGITS[within]


new_id = RequestIds().next


def is_fit(given: bytes) -> bool:
    """Whether a caller's id is valid: 8 to 128 characters that need no escape in headers or JSON."""
    return len(given) in _LENGTHS and _CHARACTERS.issuperset(given)
