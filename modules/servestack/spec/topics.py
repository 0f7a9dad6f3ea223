"""The section `kafka.topics` of an environment: who makes the topics, and with which settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servestack.spec.base import DnsLabel, DnsName, Integer, SpecModel


class TopicSettings(SpecModel):
    """Settings of the topics of one kind of event."""

    partitions: Integer | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Number of partitions. Default: 6 for predictions and access, 3 for feedback and "
        "custom. More spread the load over "
        "more consumers; a topic never gets fewer.",
    )
    retention_hours: Integer | None = Field(
        default=None,
        ge=1,
        le=876_000,
        description="How long Kafka keeps an event, in hours. Default: 168 for predictions and "
        "custom, 720 for feedback, 72 for access.",
    )


class Topics(SpecModel):
    """The models' topics: who makes them, and what differs from logging/topics.yaml."""

    managed_by: Literal["none", "strimzi"] = Field(
        default="none",
        description="`strimzi` renders a KafkaTopic for each topic, for Strimzi's Topic Operator. "
        "`none`: `servestack topics` makes them, or somebody else.",
    )
    cluster: DnsName | None = Field(
        default=None,
        description="With `strimzi`: name of the Kafka object, which the label strimzi.io/cluster "
        "of each topic names.",
    )
    namespace: DnsLabel | None = Field(
        default=None,
        description="With `strimzi`: namespace that the Topic Operator watches, mostly that of the "
        "Kafka object.",
    )
    replication_factor: Integer = Field(
        default=3,
        ge=1,
        le=100,
        description="Copies of each partition, on as many brokers.",
    )
    min_in_sync_replicas: Integer | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Copies that must hold an event before it counts as shipped. Default: one less "
        "than replicationFactor, at least 1, so that the loss of a broker stops nothing.",
    )
    predictions: TopicSettings = Field(
        default=TopicSettings.model_construct(), description="Topics of predictions."
    )
    feedback: TopicSettings = Field(
        default=TopicSettings.model_construct(), description="Topics of feedback."
    )
    access: TopicSettings = Field(
        default=TopicSettings.model_construct(), description="Topics of HTTP requests."
    )
    custom: TopicSettings = Field(
        default=TopicSettings.model_construct(), description="Topics of the models' own events."
    )

    @property
    def in_sync(self) -> int:
        """`min_in_sync_replicas`, or its default."""
        return self.min_in_sync_replicas or max(1, self.replication_factor - 1)
