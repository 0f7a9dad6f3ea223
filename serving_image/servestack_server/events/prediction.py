"""Builds the lines of prediction events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
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
_FAST = 4096
_LATENCIES = [b"%d.%03d" % divmod(microseconds, 1000) for microseconds in range(_FAST)]
"""Milliseconds as text, by microseconds. Formatting a float would take longer than all the rest."""


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
        self._middle = self._before = self._after = b""
        self._middle_until = float("-inf")
        self._middle_model = self._middle_endpoint = ""
        self.takes_json = (
            self._inputs and self._outputs and self._sample >= 1 and not self._redaction.names
            and not config.params
        )  # fmt: skip
        self._data: dict[tuple[str, str, str, int], bytes] = {}

    def change_origin(self, origin: Origin) -> None:
        """Write another origin into the events that follow."""
        self._origin = origin
        self._data.clear()
        self._middle_until = float("-inf")

    def is_sampled(self, request_id: bytes) -> bool:
        """Whether the sample contains this request. It is the same in every worker and every pod."""
        return self._sample >= 1 or crc32(request_id) < self._crc_limit

    def line(self, answered: Answered) -> bytes | None:
        """Build the event, without a newline. None if the sample does not contain the request.

        If the line would be too long, `inputs` are left out, and then `outputs`.
        """
        if answered.rows_json and answered.values_json and self.takes_json:
            # The JSON of inputs and outputs exists already. Under load every request comes here.
            if (
                answered.finished >= self._middle_until
                or answered.model != self._middle_model
                or answered.endpoint != self._middle_endpoint
            ):
                self._begin_millisecond(answered)
            seconds = answered.seconds
            at = int(seconds * 1e6 + 0.5)
            latency = _LATENCIES[at] if at < _FAST else b"%.3f" % (seconds * 1000)
            middle, trace = self._middle, answered.traceparent
            if trace is not None:
                middle = b"%b%b%b" % (self._before, trace_member(trace), self._after)
            line = b'{"id":"%b%b%b,"inputs":%b,"outputs":%b%b' % (
                answered.id, middle, latency, answered.rows_json, answered.values_json, _END,
            )  # fmt: skip
            if len(line) < self._largest_bytes:
                return line
        return self._line(answered)

    def _begin_millisecond(self, answered: Answered) -> None:
        """Prepare the bytes that all lines share until the clock's next millisecond."""
        seconds = self._clock()
        self._middle_until = answered.finished + 0.001 - seconds % 0.001
        self._before = b'"' + self._envelope.until_time(seconds)
        self._after = b',"data":' + self._prepare(answered)
        self._middle = self._before + self._after
        self._middle_model, self._middle_endpoint = answered.model, answered.endpoint

    def _line(self, answered: Answered) -> bytes | None:
        if self._sample < 1 and not self.is_sampled(answered.id):
            return None
        head = self._envelope.head(answered, self._clock())
        milliseconds = answered.seconds * 1000
        data = b"%b%.3f" % (
            self._prepare(answered),
            milliseconds if 0 < milliseconds < 1e12 else 0.0,
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

    def _prepare(self, answered: Answered) -> bytes:
        """Return the event's data up to the value of `latencyMs`, the last member before inputs."""
        model, version = answered.model, answered.version
        endpoint, status = answered.endpoint, answered.status
        known = self._data.get((model, version, endpoint, status))
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
        self._data[model, version, endpoint, status] = data
        return data


def _shortest(rows: Any) -> int:
    """Return the least bytes that these rows take: a digit and a comma for each value."""
    size = getattr(rows, "size", None)  # of arrays: an image has more values than its first axes
    if size is None:
        size = len(rows) * (len(rows[0]) + 1 if hasattr(rows[0], "__len__") else 1)
    return 2 * int(size)
