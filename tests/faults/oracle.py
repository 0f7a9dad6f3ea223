"""What Kafka says: of every answer there is an event, whole, and what is missing was counted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.faults.traffic import Answer
from tests.support.kafka_records import TimedRecord


@dataclass(frozen=True)
class Outcome:
    """One row of the table, of one run or of several.

    `answered` counts requests that were answered 200, `consumed` those of them that Kafka has an
    event of, `duplicates` the events beyond the first of an id, `counted` what the server's metric
    of dropped events says, `torn` the messages that are no whole event, `failed` the requests
    without a 200. `seconds` is the time to recover, the longest of all runs.
    """

    fault: str
    runs: int
    answered: int
    consumed: int
    duplicates: int
    counted: int
    torn: int
    failed: int
    seconds: float
    missing: tuple[str, ...] = field(default=(), repr=False)
    """The ids of answers without an event, for whoever looks for the reason."""

    @property
    def lost(self) -> int:
        """Answers without an event, whatever the reason."""
        return self.answered - self.consumed

    @property
    def words(self) -> str:
        """The row as a sentence, for a summary."""
        return (
            f"{self.answered} answered, {self.lost} without an event, {self.counted} counted as "
            f"dropped, {self.duplicates} duplicates, {self.failed} requests failed, recovered in "
            f"{self.seconds:.1f} s"
        )

    def beside(self, other: Outcome) -> Outcome:
        """Both runs of one fault as one row."""
        added = {
            name: value + asdict(other)[name]
            for name, value in asdict(self).items()
            if isinstance(value, int)
        }
        return replace(
            self, **added, seconds=max(self.seconds, other.seconds),
            missing=self.missing + other.missing,
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """The row for programs."""
        return asdict(self) | {"lost": self.lost, "missing": list(self.missing[:20])}


def judge(
    fault: str, answers: Collection[Answer], messages: Iterable[TimedRecord], counted: int,
    mended: float, also_mended: float = 0.0,
) -> Outcome:  # fmt: skip
    """Compare what callers have read with what consumers read.

    It has recovered when a request that was sent after `mended` was answered 200 and Kafka had
    taken every event of the answers before; `also_mended` is the moment at which something else,
    that this fault has broken, was whole again.
    """
    sent = {answer.id for answer in answers}
    appended: dict[str, float] = {}
    copies = torn = 0
    for message in messages:
        if not is_whole(message):
            torn += 1
            continue
        if message.key not in sent:
            continue
        copies += 1
        first = appended.get(message.key, message.appended)
        appended[message.key] = min(first, message.appended)
    good = [answer for answer in answers if answer.status == 200]
    arrived = [
        appended[answer.id] for answer in good if answer.id in appended and answer.read <= mended
    ]
    answered_again = min((a.read for a in good if a.sent >= mended), default=float("inf"))
    recovered = max([mended, answered_again, also_mended, *arrived])
    return Outcome(
        fault, 1, len(good), sum(answer.id in appended for answer in good), copies - len(appended),
        counted, torn, len(answers) - len(good), recovered - mended,
        tuple(answer.id for answer in good if answer.id not in appended),
    )  # fmt: skip


def is_whole(message: TimedRecord) -> bool:
    """Whether the message is one event, under the id that it has."""
    try:
        event = json.loads(message.value)
    except ValueError:
        return False
    return isinstance(event, dict) and event.get("id") == message.key
