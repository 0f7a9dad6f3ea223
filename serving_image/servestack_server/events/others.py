"""Builds the lines of feedback, access and custom events."""

from __future__ import annotations

from typing import Any

from servestack_contract.events import TYPES
from servestack_contract.settings import Events
from servestack_server.events.answered import Answered
from servestack_server.events.envelope import Envelope
from servestack_server.events.limits import largest_line_bytes
from servestack_server.events.origin import Origin
from servestack_server.events.values import to_json

_PREPARED = 1024


class OtherEvents:
    """Builds the lines of all events except predictions. They are not sampled.

    `time` is in seconds since 1970 in all methods. If a line would be too long, the feedback or the
    values are left out and the event has `"truncated": true`.
    """

    def __init__(
        self,
        events: Events,
        *,
        workers: int = 1,
        origin: Origin = Origin(),  # noqa: B008 - it is frozen
    ) -> None:
        self._origin = origin
        self._data: dict[tuple[str, str, str, int], bytes] = {}
        self._largest_bytes = largest_line_bytes(events, workers)
        self._feedback = Envelope(events.source, TYPES["feedback"])
        self._access = Envelope(events.source, TYPES["access"])
        self._custom = Envelope(events.source, TYPES["custom"])

    def change_origin(self, origin: Origin) -> None:
        """Write another origin into the events that follow."""
        self._origin = origin
        self._data = {}

    def feedback(self, answered: Answered, time: float, feedback: Any) -> bytes:
        """Build the event of a caller's feedback. Its id is the id of the prediction."""
        return self._line(
            self._feedback.head(answered, time), self._request(answered), "feedback", feedback
        )

    def access(self, answered: Answered, time: float) -> bytes:
        """Build the event of one HTTP request."""
        milliseconds = round(max(answered.seconds * 1000, 0.0), 3)
        head, data = self._access.head(answered, time), self._request(answered)
        return b'%b%b,"latencyMs":%b%b}}' % (head, data, to_json(milliseconds), answered.assigned)

    def custom(self, answered: Answered, time: float, name: str, values: Any) -> bytes:
        """Build an event of the owner's code: `values` under a name, with the request's id."""
        data = to_json(self._served(answered) | {"name": name})[:-1]
        return self._line(self._custom.head(answered, time), data, "values", values)

    def _line(self, head: bytes, data: bytes, member: str, value: Any) -> bytes:
        start = head + data
        value_json = to_json(value)
        if len(start) + len(value_json) + len(member) + 6 > self._largest_bytes:
            return start + b',"truncated":true}}'
        return b'%b,"%b":%b}}' % (start, member.encode(), value_json)

    def _request(self, answered: Answered) -> bytes:
        """Return the data of an event about a request, without its end."""
        data = self._data
        key = (answered.model, answered.version, answered.endpoint, answered.status)
        known = data.get(key)
        if known is None:
            if len(data) >= _PREPARED:
                data.clear()
            about = {"endpoint": answered.endpoint, "status": answered.status}
            known = data[key] = to_json(self._served(answered) | about)[:-1]
        return known

    def _served(self, answered: Answered) -> dict[str, Any]:
        served = {"model": answered.model, "version": answered.version}
        return served | self._origin.members()
