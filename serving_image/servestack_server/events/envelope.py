"""The part of an event around its data, joined from prepared bytes."""

from __future__ import annotations

import re
import time

from servestack_server.events.answered import Answered
from servestack_server.events.values import to_json

_MILLISECONDS = [b'.%03dZ"' % number for number in range(1000)]
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


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

        `seconds` is the time since 1970; the event has it in UTC with milliseconds. A traceparent
        that is not of version 00 is left out (W3C Trace Context, 3.2.2).
        """
        parts = [b'{"id":"', answered.id, b'"', self._until(int(seconds * 1000))]
        if answered.traceparent is not None and _TRACEPARENT.fullmatch(answered.traceparent):
            parts += (b',"traceparent":"', answered.traceparent, b'"')
        parts.append(b',"data":')
        return b"".join(parts)

    def after_id(self, milliseconds: int) -> bytes:
        """Return what is between the values of `id` and `data`, in an event without a traceparent.

        `milliseconds` is the time since 1970.
        """
        return self._until(milliseconds) + b',"data":'

    def _until(self, milliseconds: int) -> bytes:
        """Return everything from the value of `id` to the value of `time`."""
        second, millisecond = divmod(milliseconds, 1000)
        if second != self._second:
            self._second = second
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._head_and_second = self._head + text.encode()
        return self._head_and_second + _MILLISECONDS[millisecond]
