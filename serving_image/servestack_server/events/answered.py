"""One answer, with what events contain of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Answered(msgspec.Struct):
    """One answer to a request.

    `id` is the request's id, safe in JSON. `traceparent` is the caller's header, unchecked.
    `endpoint` is a route and not the request's path, so it has few values. `seconds` is the duration
    of the request. `rows` are in the order of the input's columns, and `values` are the model's
    outputs for them; both are None if there are none. `params_json` is empty if the service has no
    params. `assigned` are whole members, each with its comma: which variant the request was assigned to.
    """

    id: bytes
    traceparent: bytes | None
    model: str
    version: str
    endpoint: str = ""
    status: int = 200
    seconds: float = 0.0
    rows: Sequence[Sequence[Any]] | None = None
    values: Any = None
    params_json: bytes = b""
    assigned: bytes = b""
