"""Faults of Kafka: its brokers, its passwords, its certificates."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

from tests.faults.fault import MANY_ROWS, SMALL_BUDGET, Fault, Row, Scene, wait_until
from tests.support.kafka import Broker, KafkaCluster


class LeaderKilled(Fault):
    """The broker that leads the first partition, and with it a third of all; it comes back."""

    rows = (Row("leader-killed", "SIGKILL of the leader broker"),)
    breaks_brokers = True
    recovers_within = 45.0

    def break_(self, scene: Scene) -> None:
        self._killed = leader(scene.kafka, f"servestack.{scene.pod.name}.predictions")
        self._killed.kill()

    def mend(self, scene: Scene) -> float | None:
        self._killed.start()
        scene.kafka.wait_until_ready()
        return time.time()


class BrokerStopped(Fault):
    rows = (Row("broker-stopped", "SIGSTOP of a broker"),)
    breaks_brokers = True
    seconds, short = 60.0, 8.0
    recovers_within = 45.0

    def break_(self, scene: Scene) -> None:
        self._stopped = leader(scene.kafka, f"servestack.{scene.pod.name}.predictions")
        self._stopped.pause()
        scene.undo.callback(self._stopped.resume)

    def mend(self, scene: Scene) -> None:
        self._stopped.resume()


class AllStopped(Fault):
    rows = (Row("brokers-stopped", "SIGSTOP of all brokers"),)
    breaks_brokers = True
    seconds, short = 60.0, 8.0
    recovers_within = 90.0

    def break_(self, scene: Scene) -> None:
        for broker in scene.kafka.brokers:
            broker.pause()
            scene.undo.callback(broker.resume)

    def mend(self, scene: Scene) -> None:
        for broker in scene.kafka.brokers:
            broker.resume()


class AllAway(Fault):
    """All brokers are away for longer than the disk budget lasts, under both policies."""

    rows = (
        Row("away-drop", "all brokers away beyond the disk budget, whenFull: drop",
            {"logging": SMALL_BUDGET | {"whenFull": "drop"}}, MANY_ROWS, may_drop=True),
        Row("away-unready", "all brokers away beyond the disk budget, whenFull: unready",
            {"logging": SMALL_BUDGET | {"whenFull": "unready"}}, MANY_ROWS),
    )  # fmt: skip
    breaks_brokers = True
    seconds, short = 5.0, 1.0
    recovers_within = 90.0

    def break_(self, scene: Scene) -> None:
        dropping, refusing = scene.pods
        for broker in scene.kafka.brokers:
            broker.kill()
        wait_until(lambda: dropping.dropped() > 50, "a full disk budget")
        wait_until(lambda: not refusing.is_ready(), "an unready server")

    def mend(self, scene: Scene) -> float | None:
        for broker in scene.kafka.brokers:
            broker.start()
        scene.kafka.wait_until_ready()
        return time.time()


class WrongPassword(Fault):
    """The Secret holds a wrong password when the pod starts, and the right one later."""

    rows = (Row("wrong-password", "wrong password, then the right one"),)
    seconds = 20.0
    recovers_within = 45.0

    def arrange(self, scene: Scene) -> None:
        scene.secrets["kafka"] = scene.secrets["kafka"] | {"password": "not-it"}

    def break_(self, scene: Scene) -> None:
        wait_until(lambda: "SASL" in scene.pod.said("filebeat"), "a refused password")

    def mend(self, scene: Scene) -> None:
        scene.pod.set_secret("kafka", password=scene.kafka.password)


class PasswordChanged(Fault):
    """The brokers take another password while Filebeat is connected, and the Secret follows later."""

    rows = (Row("password-changed", "password changed at the brokers, then in the Secret"),)
    breaks_brokers = True
    seconds, short = 20.0, 5.0
    recovers_within = 45.0

    def break_(self, scene: Scene) -> None:
        scene.kafka.change_password(secrets.token_hex(16))
        # A connection that is open stays open: the brokers are rolled, as an operator does.
        for broker in scene.kafka.brokers:
            broker.kill()
            broker.start()
            scene.kafka.wait_until_ready()
        wait_until(lambda: "SASL" in scene.pod.said("filebeat"), "a refused password")

    def mend(self, scene: Scene) -> None:
        scene.pod.set_secret("kafka", password=scene.kafka.password)


class ExpiredCertificate(Fault):
    """The brokers' certificates expire, and whoever connects from then on refuses them."""

    rows = (Row("expired-certificate", "expired certificate, then a new one"),)
    breaks_brokers = True
    seconds, short = 20.0, 5.0
    recovers_within = 45.0

    def break_(self, scene: Scene) -> None:
        scene.undo.callback(self._renew, scene, None)
        self._renew(scene, datetime.now(UTC) - timedelta(minutes=1))
        scene.pod.filebeat.kill()
        wait_until(lambda: "expired" in scene.pod.said("filebeat"), "a refused certificate")

    def mend(self, scene: Scene) -> None:
        self._renew(scene, None)

    @staticmethod
    def _renew(scene: Scene, expires: datetime | None) -> None:
        for broker in scene.kafka.brokers:
            scene.kafka.replace_certificate(broker, expires)


def leader(kafka: KafkaCluster, topic: str) -> Broker:
    """The broker that leads the topic's first partition."""
    partition = kafka.admin.list_topics(topic, timeout=10).topics[topic].partitions[0]
    return kafka.broker(partition.leader)
