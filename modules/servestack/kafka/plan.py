"""What differs between the topics that are wanted and those that a Kafka has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from servestack.manifests.topics import Topic


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as Kafka has it. `config` holds the values in force, defaults included."""

    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a topic that differs."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What is to be done about one topic. `existing` is None where it is missing."""

    topic: Topic
    existing: Existing | None

    @property
    def action(self) -> Literal["create", "change", "keep"]:
        """`change` also where only a person can: other copies, or partitions without the flag."""
        if self.existing is None:
            return "create"
        differs = self.settings or self.lacks_partitions or self.has_other_copies
        return "change" if differs else "keep"

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that differ, by name; none of a missing topic."""
        if self.existing is None:
            return ()
        have = self.existing.config
        return tuple(
            Setting(name, have.get(name, ""), value)
            for name, value in sorted(self.topic.config.items())
            if have.get(name, "") != value
        )

    @property
    def lacks_partitions(self) -> bool:
        """Whether Kafka has fewer partitions than are wanted. More are nobody's harm."""
        return self.existing is not None and self.existing.partitions < self.topic.partitions

    @property
    def has_other_copies(self) -> bool:
        """Whether the copies of a partition are more or fewer than wanted."""
        have = self.existing
        return have is not None and have.replication_factor != self.topic.replication_factor


def plan(wanted: Iterable[Topic], existing: Mapping[str, Existing]) -> tuple[TopicPlan, ...]:
    """Compare each wanted topic with what Kafka has under its name. Others are nobody's business."""
    return tuple(TopicPlan(topic, existing.get(topic.name)) for topic in wanted)
