"""JSON of what models take and give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec


def _other(value: Any) -> Any:
    """What msgspec does not know: arrays and scalars of numpy, and anything else as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


_encode = msgspec.json.Encoder(enc_hook=_other).encode
"""Not a number and the infinities become null, bytes base64, times RFC 3339."""


def to_json(value: Any) -> bytes:
    """One line of JSON, whatever the value: nothing a caller can send makes it fail."""
    try:
        return _encode(value)
    except Exception:
        return _encode(_plain(value))


def _plain(value: Any) -> Any:
    """The same value from types that JSON has; slow, for what the encoder refused."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    try:
        return msgspec.to_builtins(value)
    except Exception:
        return _plain(repr(value))
