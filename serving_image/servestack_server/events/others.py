"""Builds the lines of feedback, access and custom events."""

from __future__ import annotations

from typing import Any

from servestack_contract.events import TYPES
from servestack_contract.settings import Events
from servestack_server.events.answered import Answered
from servestack_server.events.envelope import Envelope
from servestack_server.events.limits import largest_line_bytes
from servestack_server.events.values import to_json


class OtherEvents:
    """Builds the lines of all events except predictions. They are not sampled.

    `time` is in seconds since 1970 in all methods. If a line would be too long, the feedback or the
    values are left out and the event has `"truncated": true`.
    """

    def __init__(self, events: Events, *, workers: int = 1) -> None:
        self._largest_bytes = largest_line_bytes(events, workers)
        self._feedback = Envelope(events.source, TYPES["feedback"])
        self._access = Envelope(events.source, TYPES["access"])
        self._custom = Envelope(events.source, TYPES["custom"])

    def feedback(self, answered: Answered, time: float, feedback: Any) -> bytes:
        """Build the event of a caller's feedback. Its id is the id of the prediction."""
        return self._line(
            self._feedback.head(answered, time), _request_data(answered), "feedback", feedback
        )

    def access(self, answered: Answered, time: float) -> bytes:
        """Build the event of one HTTP request."""
        milliseconds = round(max(answered.seconds * 1000, 0.0), 3)
        data = _request_data(answered) | {"latencyMs": milliseconds}
        return b"%b%b}" % (self._access.head(answered, time), to_json(data))

    def custom(self, answered: Answered, time: float, name: str, values: Any) -> bytes:
        """Build an event of the owner's code: `values` under a name, with the request's id."""
        data = {"model": answered.model, "version": answered.version, "name": name}
        return self._line(self._custom.head(answered, time), data, "values", values)

    def _line(self, head: bytes, data: dict[str, Any], member: str, value: Any) -> bytes:
        start = head + to_json(data)[:-1]
        value_json = to_json(value)
        if len(start) + len(value_json) + len(member) + 6 > self._largest_bytes:
            return start + b',"truncated":true}}'
        return b'%b,"%b":%b}}' % (start, member.encode(), value_json)


def _request_data(answered: Answered) -> dict[str, Any]:
    return {
        "model": answered.model,
        "version": answered.version,
        "endpoint": answered.endpoint,
        "status": answered.status,
    }
