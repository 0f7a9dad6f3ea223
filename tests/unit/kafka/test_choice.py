"""Which of a topic's messages are events that were asked for."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from servestack.errors import KafkaError, SpecError
from servestack.kafka import events
from servestack.kafka.events import Choice, Counts, Seen, chosen, with_feedback
from servestack.kafka.options import event_time, read_ids, read_moment

NOW = datetime(2026, 11, 30, 10, 0, 0, 5000, UTC)


def event(number: int, second: int = 0, **data: object) -> bytes:
    time = f"2026-11-30T10:00:{second:02d}.000Z"
    return json.dumps({"id": f"id-{number}", "time": time, "data": data}).encode()


def test_an_event_is_chosen_once() -> None:
    first, second = event(1), event(2, a="x")
    counts = Counts()
    strange = [b"", b"[]", b'{"id": "id-3", "time": "now", "data": {}}', b'{"id": "id-3"}', b"\xff"]
    found = list(chosen([first, *strange, second, first], Choice("predictions"), counts))
    assert found == [first, second]
    assert (counts.events, counts.repeated, counts.unreadable) == (2, 1, 5)


def test_what_has_been_seen_takes_little_memory() -> None:
    count = 200_000
    tracemalloc.start()
    seen = Seen()
    assert all(seen.add(b"%d" % number) for number in range(count))
    size_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(seen.add(b"%d" % number) for number in range(0, count, 7))
    # What 65,536 buckets take even if they hold little, and 20 bytes for each.
    assert size_bytes < 65_536 * 160 + 20 * count


def test_only_predictions_are_one_for_each_id() -> None:
    """A caller may correct its feedback, and a retry with the same id is the same prediction."""
    lines = [event(1, a=1), event(1, a=2), event(1, a=1)]
    assert list(chosen(lines, Choice("predictions"), Counts())) == lines[:1]
    assert list(chosen(lines, Choice("feedback"), Counts())) == lines[:2]


def test_since_is_included_and_until_is_not() -> None:
    lines = [event(number, number) for number in range(10)]
    choice = Choice("access", "2026-11-30T10:00:03.000Z", "2026-11-30T10:00:06.000Z")
    assert list(chosen(lines, choice, Counts())) == lines[3:6]


def test_reading_ends_where_nothing_more_is_wanted() -> None:
    def endless() -> object:
        yield from (event(number) for number in range(10))
        raise AssertionError("more is read than is wanted")

    lines = endless()
    ids = frozenset({"id-3", "id-7"})
    assert len(list(chosen(lines, Choice("predictions", ids=ids), Counts()))) == 2  # type: ignore[arg-type]
    assert len(list(chosen(endless(), Choice("predictions", limit=4), Counts()))) == 4  # type: ignore[arg-type]


def test_feedback_is_in_the_order_of_time() -> None:
    given = [event(1, 9, feedback=2), event(1, 3, feedback={"a": "}"}), event(5, feedback=0)]
    counts = Counts()
    found = [json.loads(line) for line in with_feedback([event(1), event(2)], given, counts)]
    assert [[one["feedback"] for one in event["feedback"]] for event in found] == [
        [{"a": "}"}, 2],
        [],
    ]
    assert (counts.joined, counts.feedback) == (1, 3)


def test_feedback_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_FEEDBACK_BYTES", 2**20)
    given = (event(number, feedback="x" * 1000) for number in range(10_000))
    with pytest.raises(KafkaError, match="SRV569 the feedback takes more than 1 MiB"):
        list(with_feedback([event(1)], given, Counts()))
    assert sum(1 for _ in given) > 8_000


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90s", "2026-11-30T09:58:30.005Z"),
        ("15m", "2026-11-30T09:45:00.005Z"),
        ("1h", "2026-11-30T09:00:00.005Z"),
        ("2w", "2026-11-16T10:00:00.005Z"),
        ("2026-11-30", "2026-11-30T00:00:00.000Z"),
        ("2026-11-30T10:00Z", "2026-11-30T10:00:00.000Z"),
        ("2026-11-30T10:00:00.25", "2026-11-30T10:00:00.250Z"),
        ("2026-11-30T10:00+09:00", "2026-11-30T01:00:00.000Z"),
    ],
)
def test_moments(text: str, time: str) -> None:
    assert event_time(read_moment(text, "--since", NOW)) == time


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1.5h", "999999w", "2026-13-01", "0001-01-01T00+14"]
)
def test_no_moments(text: str) -> None:
    with pytest.raises(SpecError, match=r"SRV568 --since: .* is not a time"):
        read_moment(text, "--since", NOW)


def test_ids(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text(" a \n\nb\n")
    assert read_ids(str(file)) == read_ids("a, b,") == {"a", "b"}
    file.write_bytes(b"\xff\n")
    for text, message in (("", "no id"), (",", "no id"), (str(file), "UTF-8"), ("x/y", "no file")):
        with pytest.raises(SpecError, match=message):
            read_ids(text)
