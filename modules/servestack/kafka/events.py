"""Chooses events among the messages of a topic: each once, in a time, of ids, with its feedback."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from servestack.errors import KafkaError, Problem
from servestack_contract.events import Kind

MAX_FEEDBACK_BYTES = 256 * 2**20
"""Most memory for feedback that is joined to predictions."""

_DIGEST_BYTES = 16
_BUCKET_BYTES = 2
_ENTRY_BYTES = 250
"""About what Python needs for one entry of a dict beside its content."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events are wanted. `since` and `until` are times as events have them; empty: any.

    `ids` None means all. `limit` is the most events that are taken. `of_shadow` are those of the
    model's shadow, which has the model's ids, and which otherwise are left out.
    """

    kind: Kind
    since: str = ""
    until: str = ""
    ids: frozenset[str] | None = None
    limit: int | None = None
    of_shadow: bool = False


@dataclass(slots=True)
class Counts:
    """What became of the messages."""

    events: int = 0
    repeated: int = 0
    other_variant: int = 0
    unreadable: int = 0
    joined: int = 0
    feedback: int = 0


class _Data(msgspec.Struct):
    """Any JSON object, with the pod's variant if it has one."""

    variant: Any = ""


class _Head(msgspec.Struct):
    """What is looked at in every event. The rest is passed on as it is."""

    id: str
    time: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    data: _Data


class _FeedbackData(msgspec.Struct):
    feedback: msgspec.Raw = msgspec.Raw(b"null")


class _Feedback(msgspec.Struct):
    id: str
    time: str
    data: _FeedbackData


_head = msgspec.json.Decoder(_Head).decode
_feedback = msgspec.json.Decoder(_Feedback).decode


class Seen:
    """Contents that have been seen, by 16 bytes of their digests: about 20 bytes for each.

    The digests' first two bytes choose one of 65,536 buckets, in which the others stand one after
    the other. That they are found across two of them by chance is as unlikely as two equal digests.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[bytes, bytearray] = defaultdict(bytearray)

    def add(self, content: bytes) -> bool:
        """Remember a content. Returns False if it has been seen before."""
        digest = blake2b(content, digest_size=_DIGEST_BYTES).digest()
        bucket, rest = self._buckets[digest[:_BUCKET_BYTES]], digest[_BUCKET_BYTES:]
        if rest in bucket:
            return False
        bucket.extend(rest)
        return True


def chosen(messages: Iterable[bytes], choice: Choice, counts: Counts) -> Iterator[bytes]:
    """Yield the lines of the events that are wanted, each once, without line breaks.

    Kafka gets events at least once. A prediction counts as repeated if its id does. Of other kinds
    an id may have several events, such as feedback that was corrected: one is repeated if all of it
    is. Each event takes about 20 bytes of memory, whatever its size.
    """
    seen = Seen()
    by_id = choice.kind == "predictions"
    ids, since, until, limit = choice.ids, choice.since, choice.until, choice.limit
    for line in messages:
        try:
            head = _head(line)
        except msgspec.DecodeError:
            counts.unreadable += 1
            continue
        if ids is not None and head.id not in ids:
            continue
        if (head.data.variant == "shadow") is not choice.of_shadow:
            counts.other_variant += 1
            continue
        if head.time < since or (until and head.time >= until):
            continue
        if not seen.add(head.id.encode() if by_id else line):
            counts.repeated += 1
            continue
        counts.events += 1
        yield line.strip().replace(b"\n", b" ")
        if counts.events == limit or (by_id and ids is not None and counts.events == len(ids)):
            return


@dataclass(slots=True)
class FeedbackById:
    """Feedback of predictions, as JSON texts `{"time": …, "feedback": …}` in the order of time."""

    by_id: dict[str, list[bytes]] = field(default_factory=dict)
    size_bytes: int = 0

    def add(self, line: bytes) -> None:
        """Keep one feedback event. Raises KafkaError (SRV569) beyond MAX_FEEDBACK_BYTES."""
        event = _feedback(line)
        text = b'{"time":"%b","feedback":%b}' % (event.time.encode(), bytes(event.data.feedback))
        self.by_id.setdefault(event.id, []).append(text)
        self.size_bytes += len(text) + len(event.id) + _ENTRY_BYTES
        if self.size_bytes > MAX_FEEDBACK_BYTES:
            raise KafkaError(
                Problem(
                    "SRV569",
                    f"the feedback takes more than {MAX_FEEDBACK_BYTES >> 20} MiB of memory",
                    hint="choose a later --since, or fewer predictions with --ids; or read both kinds "
                    "by themselves and join them where there is more room",
                )
            )

    def joined(self, line: bytes, event_id: str) -> bytes:
        """Return a prediction's line with a member `feedback`, a list, at its end."""
        found = sorted(self.by_id.get(event_id, ()))
        return b'%b,"feedback":[%b]}' % (line.rstrip()[:-1], b",".join(found))


def with_feedback(
    predictions: Iterable[bytes], feedback: Iterable[bytes], counts: Counts
) -> Iterator[bytes]:
    """Yield each prediction with its feedback, which may be none.

    All feedback is read first, so that predictions need not be kept. Raises KafkaError (SRV569).
    """
    kept = FeedbackById()
    for line in feedback:
        kept.add(line)
        counts.feedback += 1
    for line in predictions:
        event_id = _head(line).id
        counts.joined += event_id in kept.by_id
        yield kept.joined(line, event_id)
