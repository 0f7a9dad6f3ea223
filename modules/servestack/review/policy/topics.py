"""Rules for the topics of a model."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.review.policy.rule import Subject, Violation, rule


@rule("SRV638", "warning", "ships its events while one broker is down")
def spare_copy(subject: Subject) -> Iterator[Violation]:
    kafka = subject.service.environment.kafka
    if kafka is None or not subject.service.topics.shipped():
        return
    copies, needed = kafka.topics.replication_factor, kafka.topics.in_sync
    if needed == copies:
        yield Violation(
            ("kafka", "topics", "replicationFactor"),
            f"{needed} of {copies} copies must hold an event before it counts as shipped: while one "
            "broker is down, events wait on the pods' disks",
            "write replicationFactor: 3, and leave minInSyncReplicas out",
            environment=True,
        )
