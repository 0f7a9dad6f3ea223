"""Checks the `traceparent` of a caller, with which its trace and our events find each other.

Source: https://www.w3.org/TR/trace-context/ (3.2 Traceparent Header, 4.3 Processing Model)
"""

from __future__ import annotations

import re

_FIELDS = re.compile(
    rb"(?!ff)([0-9a-f]{2})(-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-)([0-9a-f]{2})(-.*)?",
    re.DOTALL,
)
"""Version, ids and flags, and what a later version may have after them. Ids of zeros are invalid."""

_SAMPLED = 1


def valid_traceparent(header: bytes) -> bytes | None:
    """Return the header in version 00, or None if it is not valid.

    Later versions are read as far as version 00 goes; of their flags only `sampled` is known. The
    server makes no span of its own, so the parent is the caller's span.
    """
    found = _FIELDS.fullmatch(header)
    if found is None:
        return None
    version, ids, flags, rest = found.groups()
    if version == b"00":
        return header if rest is None else None
    return b"00%b%02x" % (ids, int(flags, 16) & _SAMPLED)
