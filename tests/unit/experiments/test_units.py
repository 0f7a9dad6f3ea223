"""What becomes of events: who counts, which of their feedback, and when."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from servestack.errors import KafkaError
from servestack.experiments.units import SETTLE_MILLISECONDS, Units, units_of
from servestack.kafka import experiment
from servestack.kafka.experiment import Matcher, Reader

MINUTE = 60_000
LATE = 1_900_000_000_000
A, B = Matcher("iris", "a"), Matcher("iris", "b")


def moment(minutes: float) -> str:
    seconds, milliseconds = divmod(round(minutes * 60_000), 1000)
    minute, second = divmod(seconds, 60)
    return f"2026-11-30T{10 + minute // 60:02d}:{minute % 60:02d}:{second:02d}.{milliseconds:03d}Z"


START = 1_796_032_800_000  # 2026-11-30T10:00Z


def prediction(id: str, branch: str = "a", at: float = 0, **data: Any) -> bytes:
    data = {"model": branch, "version": "3", "variant": "stable", "latencyMs": 2.0, "status": 200,
            "branch": branch} | data  # fmt: skip
    return json.dumps({"id": id, "time": moment(at), "data": data}).encode()


def feedback(id: str, value: Any, at: float = 1) -> bytes:
    return json.dumps({"id": id, "time": moment(at), "data": {"feedback": value}}).encode()


def units(
    predictions: list[bytes], given: list[bytes], *, now: float = 1000, accesses: tuple[bytes, ...] = (),
    zero: bool = False, fields: tuple[str, ...] = ("feedback.clicked",), **options: Any,
) -> Units:  # fmt: skip
    reader = Reader([A, B], fields, **options)
    reader.add_predictions(predictions, "iris")
    reader.add_predictions(accesses, "iris", accesses=True)
    reader.add_feedback(given)
    return units_of(
        reader.requests(), reader.feedback(), 2, window_milliseconds=10 * MINUTE,
        now=START + round(now * MINUTE), zero_for_missing=fields if zero else (),
    )  # fmt: skip


def of(found: Units, variant: int, metric: str = "feedback.clicked") -> list[float | None]:
    values = found.values[metric][found.variants == variant]
    return sorted((None if np.isnan(v) else float(v) for v in values), key=lambda v: (v is None, v))


def test_a_request_is_a_unit_and_its_last_feedback_counts() -> None:
    predictions = [prediction("r1"), prediction("r2", "b"), prediction("r3"), prediction("r4", "b")]
    given = [
        feedback("r1", {"clicked": True}, 3), feedback("r1", {"clicked": False}, 2),
        feedback("r2", {"clicked": 1}), feedback("r2", {"clicked": 0}, 4), feedback("r3", "no"),
        feedback("other", {"clicked": 1}),
    ]  # fmt: skip
    for order in (1, -1):  # Partitions come in any order, and feedback before its prediction.
        found = units(predictions[::order], given[::order])
        assert of(found, 0) == [1.0, None]
        assert of(found, 1) == [0.0, None]
        assert (found.assigned, found.unmatched, found.requests) == ((2, 2), 1, 4)
    assert of(units(predictions, given, zero=True), 0) == [0.0, 1.0]


def test_a_key_is_one_unit_with_the_mean_of_its_window() -> None:
    user, other = "00000000000000a1", "00000000000000a2"
    predictions = [
        prediction("r1", unit=user), prediction("r2", unit=user, at=9), prediction("r3", unit=user, at=11),
        prediction("r4", unit=other, at=1),
    ]  # fmt: skip
    given = [
        feedback("r1", {"clicked": 1}), feedback("r2", {"clicked": 0}, 9.5),
        feedback("r3", {"clicked": 1}, 11.5), feedback("r4", {"clicked": 1}, 11.5),
    ]  # fmt: skip
    found = units(predictions, given)
    assert of(found, 0) == [0.5, None], "r3 and the feedback to r4 came after the window"
    assert (found.assigned, found.unmatched) == ((2, 0), 2)


def test_a_unit_counts_when_its_window_is_over_and_then_changes_no_more() -> None:
    user = "00000000000000a1"
    predictions, given = [prediction("r1", unit=user)], [feedback("r1", {"clicked": 1}, 2)]
    over = 10 + SETTLE_MILLISECONDS / MINUTE
    before = units(predictions, given, now=over - 0.01)
    assert (len(before.variants), before.pending, before.assigned) == (0, 1, (1, 0))
    predictions += [prediction("r2", "b", unit=user, at=30)]
    given += [feedback("r1", {"clicked": 0}, 30), feedback("r2", {"clicked": 0}, 31)]
    for now in (over, 1000):
        found = units(predictions, given, now=now)
        assert (of(found, 0), found.pending, found.crossed) == ([1.0], 0, 0)


def test_a_unit_of_two_variants_is_left_out() -> None:
    user = "00000000000000a1"
    found = units([prediction("r1", unit=user), prediction("r2", "b", unit=user, at=1)], [])
    assert (found.crossed, found.assigned, len(found.variants)) == (1, (0, 0), 0)


def test_predictions_and_accesses_of_a_request_are_one() -> None:
    predictions = [prediction("r1"), prediction("r1"), prediction("r2", "b")]
    accesses = (
        prediction("r1", status=200), prediction("r2", "b", status=200), prediction("r3", "b", status=503),
        json.dumps({"id": "r9", "time": moment(0), "data": {"status": 500}}).encode(),
    )  # fmt: skip
    found = units(predictions, [], accesses=accesses)
    assert (found.requests, found.repeated, found.assigned) == (3, 1, (1, 2))
    assert of(found, 1, "errors") == [0.0, 1.0]
    assert of(found, 1, "latency") == [2.0, None]


def test_services_and_versions_are_variants_too() -> None:
    variants = [Matcher("iris", rollout="stable", version="3"), Matcher("iris-next")]
    reader = Reader(variants, ["feedback"], moment(1), moment(5))
    lines = [
        prediction("r1", at=2), prediction("r2", at=2, version="4"), prediction("r3", at=2, variant="canary"),
        prediction("r4", at=2, variant="shadow"), prediction("r5"), prediction("r6", at=5), b"no event",
        prediction("r7", unit="zz"), prediction("r8", unit="f" * 17),
    ]  # fmt: skip
    reader.add_predictions(lines, "iris")
    reader.add_predictions([prediction("r7", at=2, version="9")], "iris-next")
    assert (reader.of_variant, reader.others, reader.unreadable) == ([1, 1], 2, 3)
    reader.add_feedback([feedback("r1", 0.25, 2), feedback("r7", True, 2), feedback("r1", "?", 2)])
    assert reader.unusable == 1
    assert reader.feedback()["feedback"].values.tolist() == [0.25, 1.0]


@pytest.mark.parametrize(
    ("value", "number"),
    [({"a": {"b": 2}}, 2.0), ({"a": {"b": False}}, 0.0), ({"a": 1}, None), ({"a": {"b": "1"}}, None),
     ([1], None), (None, None), ({"a": {"b": None}}, None), ({"a": {"b": 10**18}}, 1e18)],
)  # fmt: skip
def test_a_field_is_found_at_its_path(value: Any, number: float | None) -> None:
    reader = Reader([A], ["feedback.a.b"])
    reader.add_feedback([feedback("r1", value)])
    assert reader.feedback()["feedback.a.b"].values.tolist() == ([] if number is None else [number])


def test_an_event_without_a_unit_is_counted_where_units_are_named() -> None:
    reader = Reader([A, B], ["feedback"], has_units=True)
    reader.add_predictions([prediction("r1"), prediction("r2", "b", unit="0a")], "iris")
    assert (reader.of_variant, reader.without_unit) == ([0, 1], [1, 0])


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "MAX_ROWS", 3)
    with pytest.raises(KafkaError, match="SRV599 the experiment has more than 3 events"):
        units([prediction(f"r{number}") for number in range(4)], [])


def test_an_event_takes_tens_of_bytes() -> None:
    """A million predictions with feedback took 442 MiB in all, with the interpreter and the client."""
    count = 3000
    lines = [prediction(f"r{number}", "ab"[number % 2]) for number in range(count)]
    given = [feedback(f"r{number}", {"clicked": 1}) for number in range(count)]
    units(lines[:2], given[:2])  # Imports, and what is prepared once.
    tracemalloc.start()
    try:
        reader = Reader([A, B], ["feedback.clicked"])
        reader.add_predictions(lines, "iris")
        reader.add_feedback(given)
        kept = tracemalloc.get_traced_memory()[0]
        units_of(reader.requests(), reader.feedback(), 2, window_milliseconds=MINUTE, now=LATE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kept < 90 * count
    assert peak < 400 * count
