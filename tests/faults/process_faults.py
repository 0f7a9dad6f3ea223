"""The faults that need no cluster: the server, Filebeat, the brokers, Kafka's doors, the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.faults.fault import Fault, Row, Scene, wait_until
from tests.support.kafka import Broker, KafkaCluster

_DISK_BYTES = 24 * 2**20
_SMALL = {"diskBudget": "4Mi", "maxEvent": "256Ki"}
_MANY_ROWS = 250
"""An event of some 10 kB: the budget lasts for seconds, not for an hour."""


class ServerKilled(Fault):
    rows = (Row("server-killed", "SIGKILL of the server"),)

    def break_(self, scene: Scene) -> None:
        scene.pod.kill_server()


class FilebeatKilled(Fault):
    """Three times, as one may hit it within a batch and another between two."""

    rows = (Row("filebeat-killed", "SIGKILL of Filebeat"),)

    def break_(self, scene: Scene) -> None:
        for _ in range(3):
            scene.pod.filebeat.kill()
            time.sleep(2.0)


class LeaderKilled(Fault):
    """The broker that leads the first partition, and with it a third of all; it comes back."""

    rows = (Row("leader-killed", "SIGKILL of the leader broker"),)
    breaks_brokers = True
    recovers_within = 45.0

    def break_(self, scene: Scene) -> None:
        self._killed = leader(scene.kafka, f"servestack.{scene.pod.name}.predictions")
        self._killed.kill()

    def mend(self, scene: Scene) -> None:
        self._killed.start()
        scene.kafka.wait_until_ready()


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
            {"logging": _SMALL | {"whenFull": "drop"}}, _MANY_ROWS, may_drop=True),
        Row("away-unready", "all brokers away beyond the disk budget, whenFull: unready",
            {"logging": _SMALL | {"whenFull": "unready"}}, _MANY_ROWS),
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

    def mend(self, scene: Scene) -> None:
        for broker in scene.kafka.brokers:
            broker.start()
        scene.kafka.wait_until_ready()


class DiskFull(Fault):
    """Something else fills the disk that holds the pod's volumes, Filebeat's registry included."""

    rows = (
        Row("disk-drop", "log disk full, whenFull: drop",
            {"logging": {"maxEvent": "256Ki", "diskBudget": "4Mi", "whenFull": "drop"}},
            _MANY_ROWS, may_drop=True),
        Row("disk-unready", "log disk full, whenFull: unready",
            {"logging": {"maxEvent": "256Ki", "diskBudget": "4Mi", "whenFull": "unready"}},
            _MANY_ROWS),
    )  # fmt: skip
    recovers_within = 30.0

    @staticmethod
    def obstacle() -> str | None:
        return None if os.geteuid() == 0 else "a disk of its own is mounted by root alone"

    def arrange(self, scene: Scene) -> None:
        for row in self.rows:
            disk = scene.folder / f"disk-{row.name}"
            disk.mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", disk], check=True
            )
            scene.undo.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
            names = ("events", "filebeat-data")
            scene.volumes[row.name] = {name: disk / name for name in names}

    def break_(self, scene: Scene) -> None:
        dropping, refusing = scene.pods
        self._fillers = [self._disk(pod) / "filler" for pod in scene.pods]
        for filler in self._fillers:
            fill(filler)
        wait_until(lambda: dropping.dropped() > 50, "a full disk")
        wait_until(lambda: not refusing.is_ready(), "an unready server")

    def mend(self, scene: Scene) -> None:
        for filler in self._fillers:
            filler.unlink()

    @staticmethod
    def _disk(pod: object) -> Path:
        from tests.faults.pod import Pod

        assert isinstance(pod, Pod)
        return pod.volume("events").parent


def leader(kafka: KafkaCluster, topic: str) -> Broker:
    """The broker that leads the topic's first partition."""
    partition = kafka.admin.list_topics(topic, timeout=10).topics[topic].partitions[0]
    return kafka.broker(partition.leader)


def fill(file: Path) -> None:
    """Write until the disk takes no further byte."""
    with file.open("wb", buffering=0) as stream:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue


FAULTS: tuple[Fault, ...] = (
    ServerKilled(), FilebeatKilled(), LeaderKilled(), BrokerStopped(), AllStopped(), AllAway(),
    DiskFull(),
)  # fmt: skip
