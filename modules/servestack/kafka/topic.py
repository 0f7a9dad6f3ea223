"""Reads what a topic holds at this moment: no group, no commits, nothing that changes the brokers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servestack.errors import KafkaError, Problem
from servestack.kafka.connection import ANSWER_SECONDS, wait_for_brokers, wrong_setting
from servestack.kafka.reports import Reports, plain_reason

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

SILENCE_SECONDS = 30.0
"""How long the brokers may hand out nothing of what they hold."""
SKEW_SECONDS = 300.0
"""How much earlier than `since` the reading begins, by the brokers' clocks: pods have their own."""

_BATCH = 5000
_WAIT_SECONDS = 1.0
_SETTINGS = {
    # A consumer must name a group. It joins none and commits nothing, so it needs no right to it.
    "group.id": "servestack-events",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
    # What is fetched ahead takes as much memory.
    "queued.max.messages.kbytes": 32 * 1024,
    "fetch.max.bytes": 16 * 1024 * 1024,
}


@dataclass(slots=True)
class Progress:
    """How many messages have been read, and how many there are to read (a few more may be counted).

    `is_cut`: the brokers have deleted messages that stood right before the first one that is read.
    """

    done: int = 0
    total: int = 0
    is_cut: bool = False


def messages(
    settings: Mapping[str, Any], topic: str, progress: Progress, since_seconds: float | None = None
) -> Iterator[bytes]:
    """Yield the value of every message that the topic held when the reading began.

    They are in the order of their partition, and partitions take turns. `since_seconds` (since 1970)
    leaves out what the brokers got SKEW_SECONDS before it or earlier. `settings` are those of
    `client_settings`. Raises KafkaError: a setting is wrong (SRV561), no broker answers (SRV562) or
    goes on (SRV567), the credentials (SRV563) or rights (SRV564) are missing, or the topic is
    (SRV565).
    """
    from confluent_kafka import Consumer, KafkaException

    reports = Reports()
    try:
        consumer = Consumer({**settings, **_SETTINGS, "error_cb": reports})
    except (KafkaException, TypeError, ValueError) as error:
        raise wrong_setting(error) from None
    brokers = str(settings["bootstrap.servers"])
    try:
        yield from _read(consumer, reports, brokers, topic, progress, since_seconds)
    except KafkaException as error:
        raise _failure(error.args[0], topic, brokers, reports) from None
    finally:
        consumer.close()


def _read(
    consumer: Consumer, reports: Reports, brokers: str, topic: str, progress: Progress,
    since_seconds: float | None,
) -> Iterator[bytes]:  # fmt: skip
    from confluent_kafka import KafkaError as Code

    metadata = wait_for_brokers(consumer, reports, brokers, topic=topic).topics[topic]
    if metadata.error is not None:
        raise _failure(metadata.error, topic, brokers, reports)
    starts = _starts(consumer, topic, list(metadata.partitions), since_seconds)
    ends = {}
    for start in starts:
        low, high = consumer.get_watermark_offsets(start, timeout=ANSWER_SECONDS)
        progress.is_cut |= 0 < low >= start.offset
        start.offset = max(start.offset, low)
        if start.offset < high:
            ends[start.partition] = high
            progress.total += high - start.offset
    consumer.assign([start for start in starts if start.partition in ends])
    heard = time.monotonic()
    while ends:
        batch = consumer.consume(_BATCH, timeout=_WAIT_SECONDS)
        if batch:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise _silence(topic, brokers, reports)
        for message in batch:
            partition, error = message.partition(), message.error()
            if error is not None:
                if error.code() == Code._PARTITION_EOF:
                    ends.pop(partition or 0, None)
                # It asks for a group that it does not use, and for which it needs no rights.
                elif error.code() != Code.GROUP_AUTHORIZATION_FAILED:
                    raise _failure(error, topic, brokers, reports)
                continue
            offset, value = message.offset(), message.value()
            assert partition is not None and offset is not None  # of a message that a broker sent
            end = ends.get(partition)
            if end is None or offset >= end:
                ends.pop(partition, None)
                continue
            if offset + 1 == end:
                del ends[partition]
            progress.done += 1
            if value is not None:
                yield value


def _starts(
    consumer: Consumer, topic: str, partitions: list[int], since_seconds: float | None
) -> list[TopicPartition]:
    """Return where the reading begins in each partition; 0 is at or before its beginning."""
    from confluent_kafka import OFFSET_END, TopicPartition

    if since_seconds is None:
        return [TopicPartition(topic, partition, 0) for partition in partitions]
    milliseconds = max(int((since_seconds - SKEW_SECONDS) * 1000), 0)
    asked = [TopicPartition(topic, partition, milliseconds) for partition in partitions]
    found = consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
    # The end: nothing has come since.
    return [one for one in found if one.offset not in (OFFSET_END, -1)]


def _failure(error: Any, topic: str, brokers: str, reports: Reports) -> KafkaError:
    from confluent_kafka import KafkaError as Code

    code = error.code()
    if code == Code.TOPIC_AUTHORIZATION_FAILED:
        return KafkaError(
            Problem(
                "SRV564",
                f"your user may not read {topic}",
                hint="ask the platform engineer for the operations Read and Describe on the topic",
            )
        )
    if code in (Code.UNKNOWN_TOPIC_OR_PART, Code._UNKNOWN_TOPIC, Code._UNKNOWN_PARTITION):
        return KafkaError(
            Problem(
                "SRV565",
                f"the brokers have no topic {topic}",
                hint="has the model been deployed to this environment, and its topic been created?",
            )
        )
    if code in (Code._TIMED_OUT, Code._TRANSPORT, Code._ALL_BROKERS_DOWN):
        return _silence(topic, brokers, reports)
    return KafkaError(Problem("SRV567", f"{topic} cannot be read: {plain_reason(error.str())}"))


def _silence(topic: str, brokers: str, reports: Reports) -> KafkaError:
    why = f": {reports.last}" if reports.last else ""
    return KafkaError(
        Problem(
            "SRV567",
            f"{topic} cannot be read to its end: the brokers {brokers} went silent{why}",
            hint="try again when they are up",
        )
    )
