"""Events go through the real Filebeat to three real brokers that ask for a password over TLS.

Topics have three copies, of which two must hold an event before it counts as shipped, as in
logging/topics.yaml.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.real.test_filebeat import write_events
from tests.support.kafka import KafkaCluster
from tests.support.sidecar import Sidecar, kafka_sidecar
from tests.support.tools import installed

NASTY = """it's "q" $1 $${HOME}${HOME} \\n\\ a,b [c: {d}] #e %f @ü&*!|>`"""
"""What YAML, a shell and Filebeat's own variables would each make something else of."""


@pytest.fixture
def kafka(three_brokers: KafkaCluster) -> KafkaCluster:
    return three_brokers


def ids(kafka: KafkaCluster, topic: str) -> list[str]:
    return [key for key, _ in kafka.read(f"servestack.{topic}.predictions")]


def expected(count: int) -> set[str]:
    return {f"predictions-{number:036d}" for number in range(count)}


class Traffic:
    """Some hundred events a second, from when it starts until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = folder
        self._over = threading.Event()

    def write(self) -> None:
        while not self._over.wait(0.05):
            write_events(self._folder, "predictions", self.count, 20)
            self.count += 20

    def stop(self) -> None:
        self._over.set()


@contextmanager
def traffic(sidecar: Sidecar) -> Iterator[Traffic]:
    written = Traffic(sidecar.folder)
    thread = threading.Thread(target=written.write)
    thread.start()
    try:
        yield written
    finally:
        written.stop()
        thread.join()
        (sidecar.folder / "events/.server-exited").touch()


def wait_for(what: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_event_arrives_under_its_id(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.create_topics("arrives")
    sidecar = kafka_sidecar(tmp_path, kafka, "arrives")
    with sidecar.running():
        write_events(tmp_path, "predictions", 0, 20_000)
        write_events(tmp_path, "feedback", 0, 500)
        (tmp_path / "events/.server-exited").touch()
        assert sidecar.drain(60) == ""
    for kind, count in (("predictions", 20_000), ("feedback", 500)):
        messages = kafka.read(f"servestack.arrives.{kind}")
        assert all(json.loads(value)["id"] == key for key, value in messages)
        assert {key for key, _ in messages} == {f"{kind}-{n:036d}" for n in range(count)}


def test_nothing_is_lost_to_a_refused_password(kafka: KafkaCluster, tmp_path: Path) -> None:
    """The Secret is mended, and the same container ships what has waited."""
    kafka.create_topics("refused")
    sidecar = kafka_sidecar(tmp_path, kafka, "refused")
    sidecar.mount_credentials("not it")
    with sidecar.running():
        write_events(tmp_path, "predictions", 0, 1_000)
        (tmp_path / "events/.server-exited").touch()
        assert "time is up" in sidecar.drain(5)
        sidecar.wait_for_log("SASL")
        assert ids(kafka, "refused") == []
        sidecar.mount_credentials(kafka.password)
        assert sidecar.drain(60) == ""
    assert set(ids(kafka, "refused")) == expected(1_000)


@pytest.mark.parametrize("first", ["user", "secret"])
def test_a_password_changes_in_the_middle_of_traffic(
    kafka: KafkaCluster,
    tmp_path: Path,
    first: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Whichever of the two changes first, every event arrives, and the container is the same."""
    topic = f"rotated-{first}"
    kafka.create_topics(topic)
    sidecar = kafka_sidecar(tmp_path, kafka, topic)
    password = f"{first} {NASTY}"
    with sidecar.running() as process:
        with traffic(sidecar) as written:
            wait_for(lambda: len(ids(kafka, topic)) > 100)
            if first == "user":
                kafka.change_password(password)
                time.sleep(4)  # The brokers have ended every connection of the old password.
                before = written.count
                sidecar.mount_credentials(password)
                sidecar.wait_for_starts(1)
            else:
                sidecar.mount_credentials(password)
                sidecar.wait_for_starts(1)
                time.sleep(4)
                before = written.count
                kafka.change_password(password)
            wait_for(lambda: len(ids(kafka, topic)) > before)
        assert sidecar.drain(60) == ""
        assert process.poll() is None
    arrived = ids(kafka, topic)
    assert set(arrived) == expected(written.count)
    # Filebeat waits for Kafka's answers before it ends: what is sent twice is what was under way.
    twice = len(arrived) - written.count
    assert twice <= 4096
    told = f"{twice} of {written.count} events twice, none lost"
    record_property(f"a new password, {first} first", told)


def test_no_process_shows_the_password(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.create_topics("hidden")
    sidecar = kafka_sidecar(tmp_path, kafka, "hidden")
    secret = kafka.password.encode()
    with sidecar.running() as process:
        write_events(tmp_path, "predictions", 0, 10)
        (tmp_path / "events/.server-exited").touch()
        assert sidecar.drain(60) == ""
        group = [
            folder
            for folder in Path("/proc").glob("[0-9]*")
            if (folder / "stat").exists() and os.getpgid(int(folder.name)) == process.pid
        ]
        shown = [(one / file).read_bytes() for one in group for file in ("cmdline", "environ")]
    assert any(b"filebeat.yml" in text for text in shown)
    assert not any(secret in text for text in shown)
    assert secret not in sidecar.log.read_bytes()
    assert (tmp_path / "memory/secrets.yml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "password", [NASTY, "a,b", "[1", "123", "true", "~", " blank ", "two\nlines", "$", "$$", "${A}"]
)
def test_filebeat_reads_the_password_that_the_secret_has(
    kafka: KafkaCluster, tmp_path: Path, password: str
) -> None:
    sidecar = kafka_sidecar(tmp_path, kafka, "nasty")
    sidecar.mount_credentials(password + "\n", user=password)
    secrets = tmp_path / "memory/secrets.yml"
    with sidecar.running():
        wait_for(lambda: secrets.is_file() and secrets.read_text().endswith("ca.crt\n"))
    export: list[str | Path] = [
        installed("filebeat"), "export", "config", "--strict.perms=false",
        "-c", tmp_path / "config/filebeat.yml", "-c", secrets,
    ]  # fmt: skip
    done = subprocess.run(export, capture_output=True, text=True, check=True)
    output = yaml.safe_load(done.stdout)["output"]["kafka"]
    assert (output["username"], output["password"]) == (password, password)


def test_a_lost_broker_costs_no_event(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Two copies of three are enough to go on, and the third catches up."""
    kafka.create_topics("lost")
    sidecar = kafka_sidecar(tmp_path, kafka, "lost")
    with sidecar.running():
        with traffic(sidecar) as written:
            wait_for(lambda: len(ids(kafka, "lost")) > 100)
            kafka.broker(2).kill()
            try:
                kafka.wait_until_ready()
                before = written.count
                wait_for(lambda: len(ids(kafka, "lost")) > before)
            finally:  # Other tests have the same brokers.
                kafka.broker(2).start()
                kafka.wait_until_ready()
        assert sidecar.drain(60) == ""
    arrived = ids(kafka, "lost")
    assert set(arrived) == expected(written.count)


def filebeats(group: int) -> list[int]:
    """The Filebeat processes of a group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (
                os.getpgid(int(folder.name)) == group
                and (folder / "comm").read_text() == "filebeat\n"
            ):
                found.append(int(folder.name))
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


def test_the_script_ends_with_filebeat_and_filebeat_with_the_script(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """As the kubelet needs it: SIGTERM ends both and is no failure; a crash restarts the container."""
    kafka.create_topics("ends")
    sidecar = kafka_sidecar(tmp_path, kafka, "ends")
    with sidecar.running() as process:
        write_events(tmp_path, "predictions", 0, 100)
        wait_for(lambda: len(ids(kafka, "ends")) == 100)
        process.terminate()
        assert process.wait(30) == 0
        assert filebeats(process.pid) == []
    with sidecar.running() as process:
        wait_for(lambda: len(filebeats(process.pid)) == 1)
        (filebeat,) = filebeats(process.pid)
        os.kill(filebeat, signal.SIGKILL)
        assert process.wait(30) == 128 + signal.SIGKILL


def test_a_pod_that_ends_while_its_password_changes_ends(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """Kafka says nothing, so that Filebeat needs its whole time to end; it is not started again."""
    sidecar = kafka_sidecar(tmp_path, kafka, "ends")
    with sidecar.running() as process:
        wait_for(lambda: len(filebeats(process.pid)) == 1)
        write_events(tmp_path, "predictions", 0, 100)
        with kafka.hanging():
            write_events(tmp_path, "predictions", 100, 100)
            sidecar.mount_credentials("another")
            sidecar.wait_for_starts(1)
            process.terminate()
            process.wait(60)
        assert filebeats(process.pid) == []
