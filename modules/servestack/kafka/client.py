"""An admin client that answers in bounded time, and says why where it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from servestack.errors import KafkaError, Problem
from servestack.kafka.connection import wait_for_brokers, wrong_setting
from servestack.kafka.failures import refusal
from servestack.kafka.plan import Existing, TopicPlan
from servestack.kafka.reports import Reports

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

REQUEST_SECONDS = 30


class KafkaAdmin:
    """A connection with the rights of the person who runs the command."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Connect. `settings` are those of `client_settings`.

        Raises KafkaError: a setting is wrong (SRV561), nobody answers (SRV562), or the credentials
        or TLS fail (SRV563).
        """
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        self._refused = KafkaException
        reports = Reports()
        try:
            options: dict[str, Any] = {**settings, "error_cb": reports}
            self._admin: AdminClient = AdminClient(options)
        except (KafkaException, ValueError, TypeError) as error:
            raise wrong_setting(error) from None
        metadata = wait_for_brokers(self._admin, reports, str(settings["bootstrap.servers"]))
        self.brokers = len(metadata.brokers)

    def existing(self, names: Iterable[str]) -> dict[str, Existing]:
        """Those of the topics that exist. Raises KafkaError (SRV555) where rights are missing."""
        from confluent_kafka import TopicCollection
        from confluent_kafka.admin import ConfigResource

        names = list(names)
        if not names:
            return {}
        described = self._admin.describe_topics(TopicCollection(names))
        found: dict[str, tuple[int, int]] = {}
        problems: list[Problem] = []
        for name, future in described.items():
            try:
                topic = future.result(timeout=REQUEST_SECONDS)
            except self._refused as error:
                if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
                    problems.append(refusal(error.args[0], name, "describe it", "Describe"))
                continue
            copies = max(len(partition.replicas) for partition in topic.partitions)
            found[name] = (len(topic.partitions), copies)
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in found]
        answers = self._admin.describe_configs(resources) if resources else {}
        configs: dict[str, dict[str, str]] = {}
        for resource, future in answers.items():
            try:
                entries = future.result(timeout=REQUEST_SECONDS)
                configs[resource.name] = {name: str(e.value) for name, e in entries.items()}
            except self._refused as error:
                problems.append(
                    refusal(error.args[0], resource.name, "read its settings", "DescribeConfigs")
                )
        if problems:
            raise KafkaError(problems)
        return {name: Existing(*counts, configs[name]) for name, counts in found.items()}

    def create(self, plans: Iterable[TopicPlan]) -> None:
        """Create the missing topics. Raises KafkaError, once all were tried."""
        from confluent_kafka.cimpl import NewTopic

        wanted = [
            NewTopic(
                one.topic.name,
                num_partitions=one.topic.partitions,
                replication_factor=one.topic.replication_factor,
                config=one.topic.config,
            )
            for one in plans
        ]
        answers = self._admin.create_topics(wanted) if wanted else {}
        self._finish(answers, "create it", "Create")

    def alter(self, plans: Iterable[TopicPlan]) -> None:
        """Set the settings that differ, and no others. Raises KafkaError, once all were tried."""
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

        resources = [
            ConfigResource(
                ConfigResource.Type.TOPIC,
                one.topic.name,
                incremental_configs=[
                    ConfigEntry(s.name, s.new, incremental_operation=AlterConfigOpType.SET)
                    for s in one.settings
                ],
            )
            for one in plans
        ]
        answers = self._admin.incremental_alter_configs(resources) if resources else {}
        by_name = {resource.name: future for resource, future in answers.items()}
        self._finish(by_name, "change its settings", "AlterConfigs")

    def raise_partitions(self, plans: Iterable[TopicPlan]) -> None:
        """Add the partitions that are too few. Raises KafkaError, once all were tried."""
        from confluent_kafka.cimpl import NewPartitions

        wanted = [NewPartitions(one.topic.name, one.topic.partitions) for one in plans]
        answers = self._admin.create_partitions(wanted) if wanted else {}
        self._finish(answers, "add partitions", "Alter")

    def _finish(self, answers: Mapping[str, Future[Any]], what: str, right: str) -> None:
        problems = []
        for name, future in answers.items():
            try:
                future.result(timeout=REQUEST_SECONDS)
            except self._refused as error:
                problems.append(refusal(error.args[0], name, what, right))
        if problems:
            raise KafkaError(problems)
