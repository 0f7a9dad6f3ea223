"""The lines of feedback, access and the model owner's own events."""

from __future__ import annotations

from typing import Any

from servestack_contract.events import TYPES
from servestack_contract.settings import Events
from servestack_server.events.envelope import Envelope
from servestack_server.events.limits import largest_line_bytes
from servestack_server.events.values import to_json


class OtherEvents:
    """Builds the lines of all events but predictions. They are not sampled.

    `time` is in seconds since 1970 in all methods. What makes a line too long is left out.
    """

    def __init__(self, events: Events, *, workers: int = 1) -> None:
        self._largest_bytes = largest_line_bytes(events, workers)
        self._feedback = Envelope(events.source, TYPES["feedback"])
        self._access = Envelope(events.source, TYPES["access"])
        self._custom = Envelope(events.source, TYPES["custom"])

    def feedback(
        self,
        request_id: str,
        time: float,
        traceparent: str | None,
        model: str,
        version: str,
        endpoint: str,
        status: int,
        feedback: Any,
    ) -> bytes:
        """What a caller says of an answer. `request_id` is that of the prediction it is about."""
        head = self._feedback.head(request_id, time, traceparent)
        data = {"model": model, "version": version, "endpoint": endpoint, "status": status}
        return self._line(head, data, "feedback", feedback)

    def access(
        self,
        request_id: str,
        time: float,
        traceparent: str | None,
        model: str,
        version: str,
        endpoint: str,
        status: int,
        latency_ms: float,
    ) -> bytes:
        """One HTTP request. `endpoint` is its route."""
        head = self._access.head(request_id, time, traceparent)
        data = {"model": model, "version": version, "endpoint": endpoint, "status": status}
        return b"%b%b}" % (head, to_json(data | {"latencyMs": round(max(latency_ms, 0.0), 3)}))

    def custom(
        self,
        request_id: str,
        time: float,
        traceparent: str | None,
        model: str,
        version: str,
        name: str,
        values: Any,
    ) -> bytes:
        """What the owner's code wants to be kept under a name, in a request with this id."""
        head = self._custom.head(request_id, time, traceparent)
        data = {"model": model, "version": version, "name": name}
        return self._line(head, data, "values", values)

    def _line(self, head: bytes, data: dict[str, Any], member: str, value: Any) -> bytes:
        start = head + to_json(data)[:-1]
        value_json = to_json(value)
        if len(start) + len(value_json) + len(member) + 6 > self._largest_bytes:
            return start + b',"truncated":true}}'
        return b'%b,"%b":%b}}' % (start, member.encode(), value_json)
