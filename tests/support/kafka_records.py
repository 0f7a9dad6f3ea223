"""Everything that a topic holds, read as a client reads it."""

from __future__ import annotations

from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

Record = tuple[str, bytes]
"""Key and value of a message."""


class TimedRecord(NamedTuple):
    """A message, and when its broker appended it, in seconds since 1970."""

    key: str
    value: bytes
    appended: float


def read_records(settings: dict[str, Any], topic: str) -> list[TimedRecord]:
    """Each message that the topic holds at this moment, by partition and offset.

    `settings` are those of librdkafka. Raises KafkaException where a partition has no leader, and
    TimeoutError where a broker hands out less than it says that it holds.
    """
    consumer = Consumer(settings | {"group.id": "reader"})
    try:
        return _read_all(consumer, topic)
    finally:
        consumer.close()


def _read_all(consumer: Consumer, topic: str) -> list[TimedRecord]:
    ends = {}
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        if end > first:
            ends[partition] = end
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    messages: list[TimedRecord] = []
    missing = dict(ends)
    while missing:
        message = consumer.poll(30)
        if message is None:
            raise TimeoutError(f"{topic} holds more than it hands out")
        if message.error():
            raise KafkaException(message.error())
        partition, offset = message.partition(), message.offset()
        key, value = message.key(), message.value()
        assert partition is not None and offset is not None  # of a message that a broker sent
        assert key is not None and value is not None
        if offset < ends[partition]:
            _, milliseconds = message.timestamp()
            messages.append(TimedRecord(key.decode(), value, milliseconds / 1000))
        if offset + 1 >= ends[partition]:
            missing.pop(partition, None)
    return messages
