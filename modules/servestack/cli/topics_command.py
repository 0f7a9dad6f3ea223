"""`servestack topics`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servestack.cli.output import say, write
from servestack.errors import KafkaError, Problem
from servestack.kafka.client import KafkaAdmin
from servestack.kafka.connection import client_settings
from servestack.kafka.plan import TopicPlan, plan
from servestack.manifests.topics import Topic, wanted_topics
from servestack.project import load_resolved
from servestack.spec.environment import Kafka
from servestack.spec.model_files import Selection
from servestack.words import counted

_SETTLE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class TopicsOptions:
    """What is done, as whom, and how it is shown (`output` is text or json)."""

    apply: bool
    raise_partitions: bool
    client_config: Path | None
    output: str


def topics(
    root: Path, environment: str, options: TopicsOptions, selection: Selection | None = None
) -> int:
    """Print the plan, or what is left of it once it is applied. Returns 2 if it is not empty.

    Raises KafkaError, with whatever could be done done.
    """
    resolved = load_resolved(root, environment, selection)
    kafka = resolved.environment.kafka
    if kafka is None:
        hint = "add a section kafka to the environment: docs/how-to/kafka-with-tls.md"
        message = f"{environment} has no Kafka, so its models have no topics"
        raise KafkaError(Problem("SRV557", message, hint=hint))
    if options.apply:
        _refuse_strimzis(environment, kafka)
    wanted = [topic for service in resolved.services for topic in wanted_topics(service)]
    admin = KafkaAdmin(client_settings(kafka, os.environ, options.client_config))
    plans: Sequence[TopicPlan] = plan(wanted, admin.existing(topic.name for topic in wanted))
    _refuse_too_many_copies(plans, admin.brokers)
    if options.apply:
        _apply(admin, plans, raise_partitions=options.raise_partitions)
        plans = _read_back(admin, wanted, raised=options.raise_partitions)
    if options.output == "json":
        write(_to_json(environment, plans))
    else:
        write(_to_text(environment, plans))
    return 2 if any(one.action != "keep" for one in plans) else 0


def _refuse_strimzis(environment: str, kafka: Kafka) -> None:
    if kafka.topics.managed_by == "strimzi":
        message = f"the topics of {environment} are Strimzi's, which would undo other changes"
        hint = f"run `servestack render {environment}`, and apply its KafkaTopic objects"
        raise KafkaError(Problem("SRV557", message, hint=hint))


def _refuse_too_many_copies(plans: Sequence[TopicPlan], brokers: int) -> None:
    copies = max((p.topic.replication_factor for p in plans if p.existing is None), default=0)
    if copies > brokers:
        message = (
            f"topics are to have {copies} {'copy' if copies == 1 else 'copies'}, "
            f"and Kafka has {counted(brokers, 'broker')} now"
        )
        hint = (
            "wait for brokers that are down, or lower kafka.topics.replicationFactor of the "
            "environment"
        )
        raise KafkaError(Problem("SRV556", message, hint=hint))


def _apply(admin: KafkaAdmin, plans: Sequence[TopicPlan], *, raise_partitions: bool) -> None:
    """Do what the plan says. What one topic is refused stops none of the others."""
    missing = [one for one in plans if one.existing is None]
    differing = [one for one in plans if one.settings]
    too_few = [one for one in plans if one.lacks_partitions and raise_partitions]
    problems: list[Problem] = []
    for work, chosen, done in (
        (admin.create, missing, "created"),
        (admin.alter, differing, "settings changed"),
        (admin.raise_partitions, too_few, "partitions added"),
    ):
        try:
            work(chosen)
        except KafkaError as error:
            problems += error.problems
        else:
            for one in chosen:
                say(f"{one.topic.name}: {done}")
    if problems:
        raise KafkaError(problems)


def _read_back(admin: KafkaAdmin, wanted: Sequence[Topic], *, raised: bool) -> Sequence[TopicPlan]:
    """What is left to do. Brokers hear of a change one after the other, so they are asked again."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        plans = plan(wanted, admin.existing(topic.name for topic in wanted))
        behind = [
            one
            for one in plans
            if one.existing is None or one.settings or (raised and one.lacks_partitions)
        ]
        if not behind or time.monotonic() > deadline:
            return plans
        time.sleep(0.2)


def _to_text(environment: str, plans: Sequence[TopicPlan]) -> str:
    lines = [line for one in plans for line in _lines(one)]
    counts = {action: sum(one.action == action for one in plans) for action in ("create", "change")}
    if not any(counts.values()):
        lines.append(f"{environment}: {counted(len(plans), 'topic')}, nothing differs")
    else:
        lines.append(
            f"{environment}: {counted(len(plans), 'topic')}, {counts['create']} to create, "
            f"{counts['change']} to change; nothing is ever deleted"
        )
    return "".join(f"{line}\n" for line in lines)


def _lines(one: TopicPlan) -> list[str]:
    topic, have = one.topic, one.existing
    if have is None:
        return [
            f"+ {topic.name}",
            *(f"    {name}: {value}" for name, value in _shape(topic).items()),
        ]
    lines = [f"    {s.name}: {s.old or 'not set'} → {s.new}" for s in one.settings]
    if one.lacks_partitions:
        lines.append(
            f"    partitions: {have.partitions} → {topic.partitions}, with --apply "
            "--raise-partitions: events of one key then go to another partition than before"
        )
    if one.has_other_copies:
        lines.append(
            f"    copies: {have.replication_factor} instead of {topic.replication_factor}; "
            "kafka-reassign-partitions.sh changes them, servestack does not"
        )
    notes = []
    if have.partitions > topic.partitions:
        notes.append(
            f"    note: {have.partitions} partitions are more than {topic.partitions}; "
            "Kafka never takes one away"
        )
    if not lines and not notes:
        return []
    return [f"{'~' if lines else '='} {topic.name}", *lines, *notes]


def _shape(topic: Topic) -> dict[str, Any]:
    return {
        "partitions": topic.partitions,
        "copies": topic.replication_factor,
        **dict(sorted(topic.config.items())),
    }


def _to_json(environment: str, plans: Sequence[TopicPlan]) -> str:
    document = {
        "environment": environment,
        "topics": [
            {
                "topic": one.topic.name,
                "model": one.topic.model,
                "kind": one.topic.kind,
                "action": one.action,
                "settings": [
                    {"name": s.name, "old": s.old, "new": s.new} for s in one.settings
                ],
                "partitions": {
                    "have": one.existing.partitions if one.existing else None,
                    "want": one.topic.partitions,
                },
                "copies": {
                    "have": one.existing.replication_factor if one.existing else None,
                    "want": one.topic.replication_factor,
                },
                "config": one.topic.config,
            }
            for one in plans
        ],
    }  # fmt: skip
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
