"""Redacts columns whose values must not reach the disk."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from typing import Any

from servestack_contract.references import unknown_redactions
from servestack_contract.settings import ServerSettings
from servestack_server.errors import StartError
from servestack_server.events.values import to_json

HASH_KEY_VARIABLE = "SERVESTACK_HASH_KEY"
"""Environment variable with the key for hashed values. Without it the key is the event's source,
which is public, so anyone can find values that are easy to guess (a postcode) by trying them."""


class Redaction:
    """Applies `redact` to rows: `drop` writes null, `hash` the HMAC-SHA256 of the JSON value in hex.

    Equal values have equal hashes within a service, and in all services with the same key. Null
    stays null. Raises StartError for a column that the input does not have, because a misspelt
    column would be logged in clear. Source of HMAC: RFC 2104.
    """

    def __init__(self, config: ServerSettings) -> None:
        events = config.events
        redact = events.predictions.redact if events and events.predictions else {}
        columns = [column.name for column in config.input.columns or ()]
        missing = unknown_redactions(config)
        if missing:
            raise StartError(
                f"logging.predictions.redact: no input column is called {', '.join(missing)}",
                f"the columns are {', '.join(columns)}" if columns else "the input has no columns",
            )
        self.names = sorted(redact)
        self._dropped = [columns.index(name) for name in self.names if redact[name] == "drop"]
        self._hashed = [columns.index(name) for name in self.names if redact[name] == "hash"]
        source = events.source if events else ""
        self._key = (os.environ.get(HASH_KEY_VARIABLE) or source).encode()

    def apply(self, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """Return copies of the rows in which the values of the redacted columns are replaced."""
        return [self._row(row) for row in rows]

    def _row(self, row: Sequence[Any]) -> list[Any]:
        changed = list(row)
        for index in self._dropped:
            changed[index] = None
        for index in self._hashed:
            changed[index] = self.hashed(row[index])
        return changed

    def hashed(self, value: Any) -> str | None:
        """Return the hash of a value in hex; None for None."""
        if value is None:
            return None
        return hmac.digest(self._key, to_json(value), "sha256").hex()
