"""Builds the lines of prediction events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias
from zlib import crc32

from servestack_contract.artifact import Pin
from servestack_contract.events import TYPES
from servestack_contract.settings import PredictionLog, ServerSettings
from servestack_server.events.answered import Answered
from servestack_server.events.envelope import Envelope, trace_member
from servestack_server.events.limits import largest_line_bytes
from servestack_server.events.origin import Origin
from servestack_server.events.redaction import Redaction
from servestack_server.events.values import to_json

_PREPARED = 1024
_END = b',"truncated":false}}'
_END_CUT = b',"truncated":true}}'
_MOST_AROUND = 4096
"""Bytes that everything in an event but inputs and outputs takes at most, with names as long as the
spec allows."""
_FAST = 4096
_LATENCIES = [b'%d.%03d,"inputs":' % divmod(microseconds, 1000) for microseconds in range(_FAST)]
"""Milliseconds and the name of the next member, by microseconds. Formatting a float would take longer
than all the rest."""


class Timed(Protocol):
    """A request that is answered, and how long that took."""

    seconds: float


Served: TypeAlias = tuple[str, str, str, int]
"""Model, version, endpoint and status."""
Quick: TypeAlias = tuple[Timed, bytes, "bytes | None", Served, bytes, bytes]
"""A prediction: its request, the request's id and traceparent, what was served, and the JSON of its
rows and of its values, one line each."""


class PredictionEvents:
    """Builds one line for each answered prediction, as `logging/event.schema.json` has it.

    `pins` hold the version and digest of each model. `workers` is the EventWriter's, whose longest
    line depends on it. `takes_json` says whether inputs and outputs are logged unchanged, so that
    their existing JSON can be used. `clock` returns the seconds since 1970.
    """

    def __init__(
        self,
        config: ServerSettings,
        *,
        pins: Sequence[Pin] = (),
        workers: int = 1,
        origin: Origin = Origin(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = time.time,
    ) -> None:
        events = config.events
        log = events.predictions if events is not None else None
        self.is_on = log is not None and events is not None and "predictions" in events.kinds
        log = log or PredictionLog()
        self._sample = log.sample
        self._crc_limit = round(log.sample * 2**32)
        self._inputs = log.inputs
        self._outputs = log.outputs
        self._redaction = Redaction(config)
        self._largest_bytes = largest_line_bytes(events, workers) if events is not None else 0
        self._digests = {(pin.name, pin.value): pin.sha256 for pin in pins if pin.sha256}
        self._origin = origin
        self._envelope = Envelope(events.source if events is not None else "", TYPES["predictions"])
        self._clock = clock
        self._milliseconds = -1
        self._until_time = b""
        self.takes_json = (
            self._inputs and self._outputs and self._sample >= 1 and not self._redaction.names
            and not config.params
        )  # fmt: skip
        self.quick_bytes = self._largest_bytes - _MOST_AROUND
        self._data: dict[Served, bytes] = {}

    def change_origin(self, origin: Origin) -> None:
        """Write another origin into the events that follow."""
        self._origin = origin
        self._data.clear()

    def is_sampled(self, request_id: bytes) -> bool:
        """Whether the sample contains this request. It is the same in every worker and every pod."""
        return self._sample >= 1 or crc32(request_id) < self._crc_limit

    def as_json(self, quick: Sequence[Quick]) -> bytes:
        """Build the events of answers whose inputs and outputs are logged unchanged as their JSON.

        Returns lines, each with its newline. Only if `takes_json`, for requests whose rows and values
        together have fewer bytes than `quick_bytes`. All events get the time of this call. Under load
        every prediction comes here: it is joined at once from what exists.
        """
        milliseconds = int(self._clock() * 1000)
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._until_time = b'"' + self._envelope.until_time(milliseconds)
        until_time, latencies, prepared = self._until_time, _LATENCIES, self._data
        parts: list[bytes] = []
        before: Served | None = None
        for request, request_id, traceparent, served, rows_json, values_json in quick:
            if served is not before:  # It seldom changes from one to the next.
                before = served
                data = b',"data":' + (prepared.get(served) or self._prepare(served))
                until_latency = until_time + data
            if traceparent is not None:
                middle = b"".join((until_time, trace_member(traceparent), data))
            else:
                middle = until_latency
            at = int(request.seconds * 1e6 + 0.5)
            parts += (
                b'{"id":"', request_id, middle,
                latencies[at] if at < _FAST else b'%.3f,"inputs":' % (at / 1000),
                rows_json, b',"outputs":', values_json, b',"truncated":false}}\n',
            )  # fmt: skip
        return b"".join(parts)

    def line(self, answered: Answered) -> bytes | None:
        """Build the event, without a newline. None if the sample does not contain the request.

        If the line would be too long, `inputs` are left out, and then `outputs`.
        """
        if self._sample < 1 and not self.is_sampled(answered.id):
            return None
        head = self._envelope.head(answered, self._clock())
        milliseconds = answered.seconds * 1000
        data = b"%b%.3f%b" % (
            self._prepare((answered.model, answered.version, answered.endpoint, answered.status)),
            milliseconds if 0 < milliseconds < 1e12 else 0.0,
            answered.assigned,
        )
        room = self._largest_bytes - len(head) - len(data) - len(_END) - 1
        outputs_json = b""
        if answered.values is not None and self._outputs:
            outputs_json = b',"outputs":' + to_json(answered.values)
        inputs_json = b""
        if answered.rows is not None and self._inputs:
            inputs_json = self._inputs_json(answered.rows, room)
            if answered.params_json:
                inputs_json += b',"params":' + self._redaction.params(answered.params_json)
        end = _END
        if len(inputs_json) + len(outputs_json) > room:
            end = _END_CUT
            inputs_json = b""
            if len(outputs_json) > room:
                outputs_json = b""
        return b"".join((head, data, inputs_json, outputs_json, end))

    def _inputs_json(self, inputs: Sequence[Sequence[Any]], room: int) -> bytes:
        """Encode the rows. Rows that cannot fit into `room` bytes are not encoded at all."""
        if len(inputs) and _shortest(inputs) > room:
            return bytes(room + 1)
        rows = self._redaction.apply(inputs) if self._redaction.names else inputs
        return b',"inputs":' + to_json(rows)

    def _prepare(self, served: Served) -> bytes:
        """Return the event's data up to the value of `latencyMs`, the last member before inputs."""
        model, version, endpoint, status = served
        known = self._data.get(served)
        if known is not None:
            return known
        if len(self._data) >= _PREPARED:
            self._data.clear()
        members: dict[str, Any] = {"model": model, "version": version}
        if digest := self._digests.get((model, version)):
            members["artifactDigest"] = digest
        members |= self._origin.members()
        members |= {"endpoint": endpoint, "status": status, "sample": self._sample}
        members["redacted"] = self._redaction.names
        data = to_json(members)[:-1] + b',"latencyMs":'
        self._data[served] = data
        return data


def _shortest(rows: Any) -> int:
    """Return the least bytes that these rows take: a digit and a comma for each value."""
    size = getattr(rows, "size", None)  # of arrays: an image has more values than its first axes
    if size is None:
        size = len(rows) * (len(rows[0]) + 1 if hasattr(rows[0], "__len__") else 1)
    return 2 * int(size)
