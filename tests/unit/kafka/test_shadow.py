"""What is compared of a model and its shadow, and how much memory that takes."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import numpy as np
import pytest

from servestack.kafka import shadow
from servestack.kafka.events import Choice, Counts, chosen
from servestack.kafka.shadow import Comparison
from servestack.kafka.shadow_report import report_data, report_text
from servestack.kafka.sketch import Sketch
from servestack_contract.shadow import crc_limit, is_copied


def event(
    id: str, outputs: Any, variant: str = "stable", latency: float = 1.0, second: int = 0
) -> bytes:
    data = {
        "version": "4" if variant == "shadow" else "3",
        "variant": variant,
        "latencyMs": latency,
    }
    data |= {"outputs": outputs} if outputs is not None else {}
    time = f"2026-11-30T10:00:{second:02d}.000Z"
    return json.dumps({"id": id, "time": time, "data": data}).encode()


def compared(pairs: list[tuple[Any, Any]], tolerance: float = 0.0) -> dict[str, Any]:
    found = Comparison(tolerance, 100)
    for number, (ours, theirs) in enumerate(pairs):
        found.add_all([event(f"id-{number}", ours), event(f"id-{number}", theirs, "shadow")])
    found.finish()
    return report_data(found)


def test_classes_agree_or_are_counted_as_pairs() -> None:
    data = compared([([0], [0]), ([1, 2], [1, 1]), (["a"], ["b"]), ([True], [True])])
    column = data["columns"]["output"]
    assert data["rows"] == {"compared": 5, "agreement": 3 / 5}
    assert column["agreement"] == 3 / 5
    assert column["mostOften"] == [
        {"model": '"a"', "shadow": '"b"', "count": 1}, {"model": "2", "shadow": "1", "count": 1},
    ]  # fmt: skip


def test_numbers_have_their_differences_by_column() -> None:
    ours = [{"price": float(number), "risk": 0.5} for number in range(100)]
    theirs = [{"price": number + number / 100, "risk": 0.5} for number in range(100)]
    data = compared([([one], [other]) for one, other in zip(ours, theirs, strict=True)], 0.5)
    price = data["columns"]["output_price"]["difference"]
    differences = np.arange(100) / 100
    assert price["mean"] == pytest.approx(differences.mean())
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = float(np.quantile(differences, share, method="lower"))
        assert price[name] == pytest.approx(exact, rel=0.011)
    assert price["max"] == pytest.approx(0.99)
    assert data["columns"]["output_price"]["aboveTolerance"] == pytest.approx(0.49)
    assert data["columns"]["output_risk"]["agreement"] == 1
    assert data["rows"]["agreement"] == pytest.approx(0.51)


@pytest.mark.parametrize(
    ("ours", "theirs", "columns"),
    [
        ([[0.1, 0.9]], [[0.2, 0.8]], ["output_0", "output_1"]),
        ({"label": [0, 1], "score": [0.1, 0.2]}, {"label": [0, 1], "score": [0.1, 0.2]},
         ["output_label", "output_score"]),
        ([{"a": 1}], [{"b": 1}], []),
        ([[[1, 2], [3, 4]]], [[[1, 2], [3, 4]]], ["output"]),
    ],
)  # fmt: skip
def test_answers_of_every_form(ours: Any, theirs: Any, columns: list[str]) -> None:
    assert sorted(compared([(ours, theirs)])["columns"]) == columns


def test_what_cannot_be_compared_is_counted() -> None:
    data = compared([([0, 1], [0]), (None, [0]), ([{"a": 1, "c": 1}], [{"b": 1, "c": 1}])])
    assert data["requests"]["otherNumberOfRows"] == 1
    assert data["requests"]["withoutOutputs"] == 1
    assert data["cells"] == {"onlyModel": 1, "onlyShadow": 1}


def test_each_request_counts_once_and_on_its_side() -> None:
    ids = [f"request-{number}" for number in range(400)]
    copied = [id for id in ids if is_copied(id.encode(), crc_limit(25))]
    lines = [event(id, [0], latency=2.0) for id in ids]
    lines += [event(id, [0], "shadow", latency=6.0) for id in copied[:-3]]
    lines += [event("elsewhere", [0], "shadow"), *lines[:50], b"no event"]
    random.Random(1).shuffle(lines)
    found = Comparison(0, 25)
    found.add_all(lines)
    found.finish()
    data = report_data(found)
    assert data["events"] == {
        "model": 400, "shadow": len(copied) - 2, "repeated": 50, "unreadable": 1,
    }  # fmt: skip
    assert data["requests"]["compared"] == len(copied) - 3
    assert data["requests"]["onlyModel"] == 3
    assert data["requests"]["notSampled"] == 400 - len(copied)
    assert data["requests"]["onlyShadow"] == 1
    assert data["latencyMs"]["model"]["p50"] == pytest.approx(2, rel=0.011)
    assert data["latencyMs"]["shadow"]["p99"] == pytest.approx(6, rel=0.011)
    assert data["versions"] == {"model": {"3": len(copied) - 3}, "shadow": {"4": len(copied) - 3}}
    text = report_text(data, "iris")
    assert f"iris: {len(copied) - 3} requests answered by both (model 3 and shadow 4)" in text


def test_only_a_time_is_compared() -> None:
    found = Comparison(0, 100)
    lines = [
        event(f"id-{second}", [0], variant, second=second)
        for second in range(10)
        for variant in ("stable", "shadow")
    ]
    found.add_all(lines, "2026-11-30T10:00:03.000Z", "2026-11-30T10:00:06.000Z")
    found.finish()
    assert (found.requests, found.of_model, found.of_shadow) == (3, 3, 3)


def test_memory_is_bounded_however_many_have_no_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MAX_WAITING", 1000)
    found = Comparison(0, 100)
    found.add_all(event(f"id-{n}", [0.5] * 20) for n in range(1000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    found.add_all(event(f"id-{n}", [0.5] * 20) for n in range(1000, 6000))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # About 20 bytes to tell repetitions, and buckets for them.
    assert after - before < 5000 * 300
    assert found.given_up == 5000
    found.finish()
    assert found.only_model == 6000


def test_a_sketch_is_within_a_hundredth() -> None:
    values = np.random.default_rng(1).lognormal(0, 3, 20_000)
    sketch = Sketch()
    for value in values.tolist():
        sketch.add(value)
    for share in (0.01, 0.5, 0.95, 0.99, 0.999):
        exact = float(np.quantile(values, share, method="lower"))
        assert sketch.quantile(share) == pytest.approx(exact, rel=0.0101)
    assert sketch.mean == pytest.approx(values.mean())
    assert (Sketch().quantile(0.5), Sketch().mean) == (0.0, 0.0)


def test_events_of_a_shadow_are_no_repetitions_of_the_models() -> None:
    """Whichever came first: a consumer of the model's answers must not get the shadow's."""
    ours, theirs = event("id-1", [0]), event("id-1", [1], "shadow")
    for lines in ([ours, theirs], [theirs, ours]):
        counts = Counts()
        assert list(chosen(lines, Choice("predictions"), counts)) == [ours]
        assert (counts.repeated, counts.other_variant) == (0, 1)
        assert list(chosen(lines, Choice("predictions", of_shadow=True), Counts())) == [theirs]
