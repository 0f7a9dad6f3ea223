"""Redacts columns, tensors and params whose values must not reach the disk."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from servestack_contract.references import redactable, unknown_redactions
from servestack_contract.settings import ServerSettings
from servestack_server.errors import StartError
from servestack_server.events.values import to_json

HASH_KEY_VARIABLE = "SERVESTACK_HASH_KEY"
"""Environment variable with the key for hashed values. Without it the key is the event's source,
which is public, so anyone can find values that are easy to guess (a postcode) by trying them."""


class Redaction:
    """Applies `redact` to rows and params: `drop` writes null, `hash` the HMAC-SHA256 of the JSON
    value in hex.

    A name is that of a column, of a tensor or of a param; if it is that of two of them, both are
    redacted. Equal values have equal hashes within a service, and in all services with the same key.
    Null stays null. Raises StartError for a name that the input does not have, because a misspelt
    one would be logged in clear. Source of HMAC: RFC 2104.
    """

    def __init__(self, config: ServerSettings) -> None:
        events = config.events
        redact = events.predictions.redact if events and events.predictions else {}
        columns = [column.name for column in config.input.columns or ()]
        tensors = [tensor.name for tensor in config.input.arrays if tensor.name]
        params = [param.name for param in config.params or ()]
        if missing := unknown_redactions(config):
            known = redactable(config)
            raise StartError(
                f"logging.predictions.redact: no input is called {', '.join(missing)}",
                f"the names are {', '.join(known)}" if known else "the input has no names",
            )
        self.names = sorted(redact)
        self._redact = redact
        self._columns = [(columns.index(name), name) for name in self.names if name in columns]
        self._params = [name for name in self.names if name in params]
        self._lone = tensors[0] if len(config.input.arrays) == 1 and tensors else ""
        source = events.source if events else ""
        self._key = (os.environ.get(HASH_KEY_VARIABLE) or source).encode()

    def apply(self, rows: Any) -> list[Any]:
        """Return copies of the rows in which the values of the redacted names are replaced.

        Rows are values by position, or mappings by the tensors' names. A row of a single tensor is
        replaced as a whole.
        """
        if self._lone and self._lone in self._redact:
            return [self._replaced(self._lone, row) for row in rows]
        return [self._row(row) for row in rows]

    def params(self, params_json: bytes) -> bytes:
        """Return the JSON of params with the redacted ones replaced."""
        if not self._params:
            return params_json
        values = msgspec.json.decode(params_json)
        return to_json(values | {name: self._replaced(name, values[name]) for name in self._params})

    def _row(self, row: Any) -> Any:
        if isinstance(row, Mapping):
            return {
                name: self._replaced(name, value) if name in self._redact else value
                for name, value in row.items()
            }
        if not self._columns:
            return row
        changed = list(row)
        for index, name in self._columns:
            changed[index] = self._replaced(name, row[index])
        return changed

    def _replaced(self, name: str, value: Any) -> str | None:
        return None if self._redact[name] == "drop" else self.hashed(value)

    def hashed(self, value: Any) -> str | None:
        """Return the hash of a value in hex; None for None."""
        if value is None:
            return None
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        return hmac.digest(self._key, to_json(plain), "sha256").hex()
