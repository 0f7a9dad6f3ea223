"""The key by which a request is assigned to a variant, and its name in events."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from servestack_contract.assignment import unit_of
from servestack_server.events.redaction import HASH_KEY_VARIABLE
from servestack_server.prediction.target import Caller


class StickyKey:
    """Finds the key of a request: a header's value, or that of a column in the first row.

    `columns` maps columns to their positions in a row. Where the request has neither, its own id is
    the key. `is_logged`: events get a hash of the key.
    """

    def __init__(
        self, name: str | None, columns: Mapping[str, int], *, is_logged: bool = False
    ) -> None:
        self._header = name.lower().encode() if name else b""
        self._name = name or ""
        self._column = columns.get(self._name)
        self._is_logged = is_logged
        self._secret = os.environ.get(HASH_KEY_VARIABLE, "").encode()

    def of(self, request: Caller, rows: Any) -> bytes:
        """Return the key."""
        key = request.headers.get(self._header) if self._header else None
        if key is None and self._header and len(rows):
            row = rows[0]
            if isinstance(row, Mapping):
                value = row.get(self._name)
            else:
                value = row[self._column] if self._column is not None else None
            key = str(value).encode() if value is not None else None
        return key if key is not None else request.id.encode()

    def member(self, key: bytes) -> bytes:
        """Return the member of an event that names the key; empty if it is not logged."""
        return b',"unit":"%b"' % unit_of(key, self._secret).encode() if self._is_logged else b""
