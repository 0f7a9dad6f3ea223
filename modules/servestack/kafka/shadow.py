"""Compares the answers of a model with those of its shadow, joined by request id."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from servestack.kafka.events import Seen
from servestack.kafka.sketch import Sketch
from servestack_contract.shadow import crc_limit, is_copied

MAX_WAITING = 200_000
"""Most events that wait for the other side's. Both events of a request lie in one partition, seconds
apart, so that more wait only if one side has no event, or Kafka got it much later."""
MAX_WAITING_BYTES = 256 * 2**20
"""Most memory for the answers of those that wait."""
_MOST_COLUMNS = 200
_MOST_POSITIONS = 64
"""Most values of a row without names that become columns; longer rows are compared as a whole."""
_MOST_PAIRS = 1000
"""Most pairs of different answers that are counted in a column."""
_DIGEST_BYTES = 16
_OUTPUT = "output"


class _Data(msgspec.Struct, rename="camel"):
    version: str = ""
    variant: str = "stable"
    latency_ms: float = 0.0
    outputs: msgspec.Raw = msgspec.Raw(b"")


class _Event(msgspec.Struct):
    id: str
    time: str
    data: _Data


_decode = msgspec.json.Decoder(_Event).decode


@dataclass(slots=True)
class Column:
    """One column of the answers: cells compared, and how they differ.

    `difference` has the absolute differences of numbers, `signed` the sum of shadow minus model.
    `pairs` counts pairs of different values that are no fractions, as they are written in JSON.
    """

    cells: int = 0
    equal: int = 0
    above: int = 0
    numbers: int = 0
    signed: float = 0.0
    difference: Sketch = field(default_factory=Sketch)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    further_pairs: int = 0


@dataclass(slots=True)
class _Waiting:
    """An event whose other side has not been read yet."""

    of_shadow: bool
    is_sampled: bool
    version: str
    latency_ms: float
    outputs: bytes


class Comparison:
    """Takes events of both sides in any order, and holds what they tell.

    `tolerance` is the absolute difference of two numbers up to which they count as close. `percent`
    is the share of the requests that is copied: a request outside of it has no event of a shadow.
    Memory is bounded by MAX_WAITING and MAX_WAITING_BYTES, and about 20 bytes for each event by which
    repetitions are told.
    """

    def __init__(self, tolerance: float, percent: float) -> None:
        self.tolerance = tolerance
        self._limit = crc_limit(percent)
        self._seen = Seen()
        self._waiting: dict[bytes, _Waiting] = {}
        self._waiting_bytes = 0
        self.of_model = 0
        self.of_shadow = 0
        self.repeated = 0
        self.unreadable = 0
        self.requests = 0
        self.rows = 0
        self.other_rows = 0
        self.without_outputs = 0
        self.only_model = 0
        self.not_sampled = 0
        self.only_shadow = 0
        self.given_up = 0
        self.only_model_cells = 0
        self.only_shadow_cells = 0
        self.agreeing_rows = 0
        self.columns: dict[str, Column] = {}
        self.further_columns = 0
        self.versions: dict[str, dict[str, int]] = {"model": {}, "shadow": {}}
        self.latency = {"model": Sketch(), "shadow": Sketch()}

    def add_all(self, lines: Iterable[bytes], since: str = "", until: str = "") -> None:
        """Take the events of a time, written as in events; empty: any. Call `finish` once after it."""
        for line in lines:
            try:
                event = _decode(line)
            except msgspec.DecodeError:
                self.unreadable += 1
                continue
            if event.time < since or (until and event.time >= until):
                continue
            self._add(event)

    def _add(self, event: _Event) -> None:
        data = event.data
        of_shadow = data.variant == "shadow"
        request_id = event.id.encode()
        if not self._seen.add((b"s" if of_shadow else b"m") + request_id):
            self.repeated += 1
            return
        if of_shadow:
            self.of_shadow += 1
        else:
            self.of_model += 1
        key = blake2b(request_id, digest_size=_DIGEST_BYTES).digest()
        is_sampled = is_copied(request_id, self._limit)
        this = _Waiting(of_shadow, is_sampled, data.version, data.latency_ms, bytes(data.outputs))
        other = self._waiting.pop(key, None)
        if other is None:
            self._wait(key, this)
            return
        self._waiting_bytes -= len(other.outputs)
        model, shadow = (other, this) if of_shadow else (this, other)
        self._compare(model, shadow)

    def _wait(self, key: bytes, event: _Waiting) -> None:
        self._waiting[key] = event
        self._waiting_bytes += len(event.outputs)
        while len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            # The one that has waited longest: a dict keeps the order.
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self._waiting_bytes -= len(oldest.outputs)
            self.given_up += 1
            self._alone(oldest)

    def finish(self) -> None:
        """Count what has no other side."""
        for event in self._waiting.values():
            self._alone(event)
        self._waiting.clear()
        self._waiting_bytes = 0

    def _alone(self, event: _Waiting) -> None:
        if event.of_shadow:
            self.only_shadow += 1
        elif event.is_sampled:
            self.only_model += 1
        else:
            self.not_sampled += 1

    def _compare(self, model: _Waiting, shadow: _Waiting) -> None:
        self.requests += 1
        for side, event in (("model", model), ("shadow", shadow)):
            self.latency[side].add(max(event.latency_ms, 0.0))
            versions = self.versions[side]
            versions[event.version] = versions.get(event.version, 0) + 1
        if not model.outputs or not shadow.outputs:
            self.without_outputs += 1
            return
        ours, theirs = (list(_rows(msgspec.json.decode(one.outputs))) for one in (model, shadow))
        if len(ours) != len(theirs):
            self.other_rows += 1
            return
        self.rows += len(ours)
        for our_row, their_row in zip(ours, theirs, strict=True):
            self._compare_rows(our_row, their_row)

    def _compare_rows(self, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        agrees = True
        for name, our in ours.items():
            if name not in theirs:
                self.only_model_cells += 1
                agrees = False
            elif not self._compare_cells(name, our, theirs[name]):
                agrees = False
        others = sum(name not in ours for name in theirs)
        self.only_shadow_cells += others
        self.agreeing_rows += agrees and not others

    def _compare_cells(self, name: str, our: Any, their: Any) -> bool:
        """Count one cell. Returns whether both sides say the same, or numbers that are close."""
        column = self.columns.get(name)
        if column is None:
            if len(self.columns) >= _MOST_COLUMNS:
                self.further_columns += 1
                return bool(our == their)
            column = self.columns[name] = Column()
        column.cells += 1
        is_equal = bool(our == their)
        column.equal += is_equal
        if _is_number(our) and _is_number(their):
            difference = abs(their - our)
            if math.isfinite(difference):
                column.numbers += 1
                column.signed += their - our
                column.difference.add(difference)
            is_close = is_equal or difference <= self.tolerance
            column.above += not is_close
            if not is_equal and isinstance(our, int) and isinstance(their, int):
                self._count_pair(column, our, their)
            return is_close
        if not is_equal:
            column.above += 1
            self._count_pair(column, our, their)
        return is_equal

    @staticmethod
    def _count_pair(column: Column, our: Any, their: Any) -> None:
        pair = _short(our), _short(their)
        if pair in column.pairs or len(column.pairs) < _MOST_PAIRS:
            column.pairs[pair] = column.pairs.get(pair, 0) + 1
        else:
            column.further_pairs += 1


def _rows(outputs: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of an answer, each as its cells by column.

    Outputs are a list with one entry for each row, or a mapping of columns to such lists.
    """
    if isinstance(outputs, dict):
        lists = {name: one for name, one in outputs.items() if isinstance(one, list)}
        lengths = {len(one) for one in lists.values()}
        if len(lists) == len(outputs) and len(lengths) == 1:
            for index in range(lengths.pop()):
                row: dict[str, Any] = {}
                for name, values in lists.items():
                    row |= _cells(f"{_OUTPUT}_{name}", values[index])
                yield row
            return
    if isinstance(outputs, list):
        for value in outputs:
            yield _cells(_OUTPUT, value)
        return
    yield _cells(_OUTPUT, outputs)


def _cells(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {f"{name}_{member}": one for member, one in value.items()}
    is_short = isinstance(value, list) and len(value) <= _MOST_POSITIONS
    if is_short and not any(isinstance(one, (list, dict)) for one in value):
        return {f"{name}_{index}": one for index, one in enumerate(value)}
    return {name: value}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
