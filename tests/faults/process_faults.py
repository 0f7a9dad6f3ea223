"""The faults that need no cluster: the server, Filebeat, the brokers, Kafka's doors, the disk."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import urllib3
import yaml

from servestack_contract import metrics
from tests.faults.fault import Fault, Row, Scene, wait_until
from tests.faults.pod import Pod
from tests.support.kafka import Broker, KafkaCluster
from tests.support.ports import free_ports
from tests.support.tools import installed

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
    def _disk(pod: Pod) -> Path:
        return pod.volume("events").parent


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
        if not scene.pod.mounts("kafka"):
            # A variable is read at the start alone.
            scene.pod.filebeat.kill()


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
        if not scene.pod.mounts("kafka"):
            scene.pod.filebeat.kill()


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


class PrometheusKilled(Fault):
    """What scrapes the pod is gone for a while: nothing waits for it, and no count is lost."""

    rows = (Row("prometheus-killed", "Prometheus away"),)

    def arrange(self, scene: Scene) -> None:
        self._port = free_ports(1)[0]

    def break_(self, scene: Scene) -> None:
        self._start(scene)
        wait_until(lambda: self._scraped() > 0, "a first scrape")
        self._end()

    def mend(self, scene: Scene) -> None:
        self._start(scene)

    def also_mended(self, scene: Scene) -> float:
        answered = scene.traffic[0].answered
        # It counts requests of the time in which it was away.
        wait_until(lambda: self._scraped() >= answered, "a scrape of everything")
        return time.time()

    def _start(self, scene: Scene) -> None:
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {
                    "job_name": "pod",
                    "static_configs": [{"targets": [f"127.0.0.1:{scene.pod.port}"]}],
                }
            ],
        }
        file = scene.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(settings))
        command = [
            "setpriv", "--pdeathsig", "KILL", str(installed("prometheus")),
            f"--config.file={file}", f"--storage.tsdb.path={scene.folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]  # fmt: skip
        with (scene.folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        scene.undo.callback(self._end)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _scraped(self) -> float:
        """Answers of 200 that Prometheus knows of."""
        query = f'sum({metrics.REQUESTS.name}{{http_response_code="200",endpoint=~".*/predict"}})'
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self._port}/api/v1/query", fields={"query": query},
                retries=False, timeout=5,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError:
            return 0.0
        if answer.status != 200:
            return 0.0
        found = answer.json()["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0


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
    DiskFull(), WrongPassword(), PasswordChanged(), ExpiredCertificate(), PrometheusKilled(),
)  # fmt: skip
