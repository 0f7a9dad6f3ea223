"""The part of an event around its data, joined from prepared bytes."""

from __future__ import annotations

import time

from servestack_server.events.answered import Answered
from servestack_server.events.trace_context import valid_traceparent
from servestack_server.events.values import to_json

_MILLISECONDS = [b'.%03dZ"' % number for number in range(1000)]


class Envelope:
    """Attributes of CloudEvents 1.0 in their JSON format, `id` first.

    Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    """

    def __init__(self, source: str, event_type: str) -> None:
        self._head = b',"source":%b,"type":%b,"specversion":"1.0","time":"' % (
            to_json(source),
            to_json(event_type),
        )
        self._second = -1
        self._head_and_second = b""

    def head(self, answered: Answered, seconds: float) -> bytes:
        """Return the event up to the value of `data`.

        `seconds` is the time since 1970; the event has it in UTC with milliseconds.
        """
        trace = trace_member(answered.traceparent)
        return b'{"id":"%b"%b%b,"data":' % (
            answered.id,
            self.until_time(int(seconds * 1000)),
            trace,
        )

    def until_time(self, milliseconds: int) -> bytes:
        """Return everything from the value of `id` to the value of `time`.

        `milliseconds` is the time since 1970.
        """
        second, millisecond = divmod(milliseconds, 1000)
        if second != self._second:
            self._second = second
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._head_and_second = self._head + text.encode()
        return self._head_and_second + _MILLISECONDS[millisecond]


def trace_member(traceparent: bytes | None) -> bytes:
    """Return the member `traceparent` with its comma, or nothing if it is not valid."""
    valid = valid_traceparent(traceparent) if traceparent is not None else None
    return b',"traceparent":"%b"' % valid if valid is not None else b""
