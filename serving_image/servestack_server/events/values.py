"""Encodes inputs and outputs of models as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from servestack_server.plain import unknown


def _other(value: Any) -> Any:
    """Convert a value that msgspec does not know as answers do, and anything else to text."""
    try:
        return unknown(value)
    except Exception:
        return str(value)


_encode = msgspec.json.Encoder(enc_hook=_other).encode
"""NaN and infinities become null, bytes become base64, times become RFC 3339."""


def to_json(value: Any) -> bytes:
    """Encode any value as one line of JSON. It never fails, whatever a caller sends."""
    try:
        return _encode(value)
    except Exception:
        return _encode(_plain(value))


def _plain(value: Any) -> Any:
    """Convert a value to types of JSON. It is slow, and used only after the encoder has failed."""
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
