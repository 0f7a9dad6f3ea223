"""The faults that need no cluster: the server, Filebeat, the disk, Prometheus, and those of Kafka."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import urllib3
import yaml

from servestack_contract import metrics
from tests.faults.fault import MANY_ROWS, SMALL_BUDGET, Fault, Row, Scene, wait_until
from tests.faults.kafka_faults import (
    AllAway,
    AllStopped,
    BrokerStopped,
    ExpiredCertificate,
    LeaderKilled,
    PasswordChanged,
    WrongPassword,
)
from tests.faults.pod import Pod
from tests.support.ports import free_ports
from tests.support.tools import installed

_DISK_BYTES = 24 * 2**20


class ServerKilled(Fault):
    rows = (Row("server-killed", "SIGKILL of the server"),)

    def break_(self, scene: Scene) -> None:
        scene.pod.kill_server()


class FilebeatKilled(Fault):
    """Three times, as one may hit it within a batch and another between two. The script that has
    started it exits, and with it the container."""

    rows = (Row("filebeat-killed", "SIGKILL of Filebeat"),)
    seconds, short = 2.0, 0.0

    def break_(self, scene: Scene) -> None:
        for _ in range(3):
            scene.pod.filebeat.kill_program("filebeat")
            wait_until(scene.pod.filebeat.has_exited, "the container's end")
            wait_until(lambda: not scene.pod.filebeat.has_exited(), "its restart")
            time.sleep(2.0)


class DiskFull(Fault):
    """Something else fills the disk that holds the pod's volumes, but for those in memory."""

    rows = (
        Row("disk-drop", "log disk full, whenFull: drop",
            {"logging": SMALL_BUDGET | {"whenFull": "drop"}},
            MANY_ROWS, may_drop=True),
        Row("disk-unready", "log disk full, whenFull: unready",
            {"logging": SMALL_BUDGET | {"whenFull": "unready"}},
            MANY_ROWS),
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
            scene.disks[row.name] = disk

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
