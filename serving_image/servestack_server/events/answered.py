"""One answer, as events tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Answered(msgspec.Struct):
    """`id` is the request's, safe in JSON; `traceparent` what the caller sent, unchecked.

    `endpoint` is a route, of which there are few, not a path. `finished` is when it was answered on
    the clock of time.perf_counter(), `seconds` how long that took. `rows` are in the order of the
    input's columns; `values` what the model gave for them, both None where there are none.
    `rows_json` and `values_json` are the same as one line of JSON each, where there is one already.
    """

    id: bytes
    traceparent: bytes | None
    model: str
    version: str
    endpoint: str = ""
    status: int = 200
    finished: float = 0.0
    seconds: float = 0.0
    rows: Sequence[Sequence[Any]] | None = None
    values: Any = None
    rows_json: bytes = b""
    values_json: bytes = b""
