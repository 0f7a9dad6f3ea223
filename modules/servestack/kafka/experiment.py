"""Reads an experiment's events into arrays: about 40 bytes for each prediction and each feedback."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from servestack.errors import KafkaError, Problem

if TYPE_CHECKING:
    from servestack.experiments.units import Feedback, Requests

MAX_ROWS = 5_000_000
"""Most events that are kept, of all kinds: about 1 GiB while they are sorted."""
_SERVER_ERROR = 500


class _Data(msgspec.Struct, rename="camel"):
    version: str = ""
    variant: str = "stable"
    branch: str = ""
    unit: str = ""
    status: int = 0
    latency_ms: float = 0.0
    feedback: Any = None


class _Event(msgspec.Struct):
    id: str
    time: str
    data: _Data


_decode = msgspec.json.Decoder(_Event).decode


class Matcher(msgspec.Struct, frozen=True):
    """Which of a service's predictions are a variant's. None: any."""

    service: str
    branch: str | None = None
    version: str | None = None
    rollout: str | None = None

    def fits(self, service: str, branch: str, version: str, rollout: str) -> bool:
        """Whether a prediction is of the variant."""
        return (
            self.service == service
            and (self.branch is None or self.branch == branch)
            and (self.version is None or self.version == version)
            and (self.rollout is None or self.rollout == rollout)
        )


class Reader:
    """Keeps what an experiment needs of its events. `fields` are metrics such as feedback.clicked.

    `has_units`: events name their unit, so that a prediction without one is not the experiment's.
    Events before `since` or from `until` on, written as in events, are left out (empty: none are);
    so are those of a shadow.
    """

    def __init__(
        self, variants: Sequence[Matcher], fields: Iterable[str], since: str = "", until: str = "",
        *, has_units: bool = False,
    ) -> None:  # fmt: skip
        self._variants = variants
        self._since = since
        self._until = until
        self._has_units = has_units
        self._known: dict[tuple[str, str, str, str], int] = {}
        self._second = ""
        self._second_milliseconds = 0
        self.ids, self.units = array("Q"), array("Q")
        self.arms, self.times = array("b"), array("q")
        self.latencies, self.errors = array("d"), array("d")
        self._fields = {name: tuple(name.split(".")[1:]) for name in fields}
        self._feedback_ids, self._feedback_times = array("Q"), array("q")
        self._values = {name: array("d") for name in self._fields}
        self.of_variant = [0] * len(variants)
        self.others = 0
        self.without_unit = [0] * len(variants)
        self.unreadable = 0
        self.unusable = 0

    def add_predictions(
        self, lines: Iterable[bytes], service: str, *, accesses: bool = False
    ) -> None:
        """Take a service's predictions, or its accesses. Raises KafkaError (SRV599): too many."""
        for line in lines:
            event = self._event(line)
            if event is None:
                continue
            data = event.data
            arm = self._arm(service, data)
            if arm < 0:
                self.others += 1
                continue
            if self._has_units and not data.unit:
                self.without_unit[arm] += 1
                continue
            key = _key(event.id)
            self.ids.append(key)
            self.units.append(int(data.unit, 16) if data.unit else key)
            self.arms.append(arm)
            self.times.append(self._milliseconds(event.time))
            self.latencies.append(math.nan if accesses else max(data.latency_ms, 0.0))
            self.errors.append(float(data.status >= _SERVER_ERROR) if accesses else math.nan)
            self.of_variant[arm] += 1
            self._require_room()

    def add_feedback(self, lines: Iterable[bytes]) -> None:
        """Take feedback, which may be to predictions of any service. Raises KafkaError (SRV599)."""
        for line in lines:
            event = self._event(line)
            if event is None:
                continue
            values = {name: _number(event.data.feedback, f) for name, f in self._fields.items()}
            if all(math.isnan(value) for value in values.values()):
                self.unusable += 1
                continue
            self._feedback_ids.append(_key(event.id))
            self._feedback_times.append(self._milliseconds(event.time))
            for name, value in values.items():
                self._values[name].append(value)
            self._require_room()

    def requests(self) -> Requests:
        """Return the predictions and accesses, in any order and not yet each once."""
        import numpy as np

        from servestack.experiments.units import Requests

        return Requests(
            np.frombuffer(self.ids, np.uint64),
            np.frombuffer(self.units, np.uint64),
            np.frombuffer(self.arms, np.int8).astype(np.int64),
            np.frombuffer(self.times, np.int64),
            np.frombuffer(self.latencies, np.float64),
            np.frombuffer(self.errors, np.float64),
        )

    def feedback(self) -> Mapping[str, Feedback]:
        """Return the feedback of each field that has a value."""
        import numpy as np

        from servestack.experiments.units import Feedback

        found = {}
        ids = np.frombuffer(self._feedback_ids, np.uint64)
        times = np.frombuffer(self._feedback_times, np.int64)
        for name, given in self._values.items():
            values = np.frombuffer(given, np.float64)
            is_known = ~np.isnan(values)
            found[name] = Feedback(ids[is_known], times[is_known], values[is_known])
        return found

    def _event(self, line: bytes) -> _Event | None:
        try:
            event = _decode(line)
            self._milliseconds(event.time)
            if event.data.unit and int(event.data.unit, 16) >= 1 << 64:
                raise ValueError
        except (msgspec.DecodeError, ValueError):
            self.unreadable += 1
            return None
        if event.time < self._since or (self._until and event.time >= self._until):
            return None
        return event if event.data.variant != "shadow" else None

    def _arm(self, service: str, data: _Data) -> int:
        key = (service, data.branch, data.version, data.variant)
        arm = self._known.get(key)
        if arm is None:
            fitting = [at for at, one in enumerate(self._variants) if one.fits(*key)]
            arm = self._known[key] = fitting[0] if fitting else -1
        return arm

    def _milliseconds(self, text: str) -> int:
        """Milliseconds since 1970 of `2026-11-30T10:00:00.000Z`. Raises ValueError."""
        second = text[:19]
        if second != self._second:
            moment = datetime.fromisoformat(second).replace(tzinfo=UTC)
            self._second_milliseconds, self._second = int(moment.timestamp()) * 1000, second
        return self._second_milliseconds + int(text[20:23])

    def _require_room(self) -> None:
        if len(self.ids) + len(self._feedback_ids) > MAX_ROWS:
            raise KafkaError(
                Problem(
                    "SRV599",
                    f"the experiment has more than {MAX_ROWS} events",
                    hint="log a sample: logging.predictions.sample; or begin later: experiment.start",
                )
            )


def _key(request_id: str) -> int:
    return int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "big")


def _number(feedback: Any, path: tuple[str, ...]) -> float:
    """Return the number at a path in a feedback; NaN if there is none. True and false are 1 and 0."""
    for name in path:
        feedback = feedback.get(name) if isinstance(feedback, dict) else None
    if not isinstance(feedback, (bool, int, float)):
        return math.nan
    try:
        return float(feedback) if math.isfinite(feedback) else math.nan
    except OverflowError:  # A whole number beyond all floats.
        return math.nan
