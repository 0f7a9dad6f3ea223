"""A real Kafka broker as a process: KRaft, TLS with SASL or client certificates or both, one node."""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cryptography.hazmat.primitives import serialization

from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY
from tests.support.tools import installed

USERNAME = "filebeat"
_READY_SECONDS = 60
_JAVA_OPTIONS = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A broker that lives for minutes does not get back what optimizing its code costs."""
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners={protocol}://{host}:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map={protocol}:{protocol},CONTROLLER:PLAINTEXT
inter.broker.listener.name={protocol}
{sasl}listener.name.{listener}.ssl.client.auth={client_auth}
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.crt
auto.create.topics.enable=false
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
log.dirs={folder}/data
"""
_SASL_SETTINGS = """\
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login} required username="{user}" password="{password}";
"""
_LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


@dataclass(frozen=True)
class KafkaBroker:
    """A running broker at `address` (host:port), the authority of its certificate, and a user.

    `client` is the folder with tls.crt and tls.key of a client, as a Secret of type
    kubernetes.io/tls has them; None where the broker asks for no certificate.
    """

    address: str
    ca: Path
    password: str
    process: subprocess.Popen[bytes]
    protocol: str = "SASL_SSL"
    client: Path | None = None

    def create_topics(self, model: str, prefix: str = "servestack") -> None:
        """The topics of a model as logging/topics.yaml has them, but for the copies."""
        settings = yaml.safe_load((REPOSITORY / "logging/topics.yaml").read_text())
        config = {**settings["config"], "min.insync.replicas": 1}
        wanted = [
            NewTopic(
                f"{prefix}.{model}.{kind}",
                num_partitions=one["partitions"],
                replication_factor=1,
                config=config | {"retention.ms": str(one["retentionHours"] * 3_600_000)},
            )
            for kind, one in settings["kinds"].items()
        ]
        admin = AdminClient(self.client_settings())
        for created in admin.create_topics(wanted).values():
            created.result(timeout=30)

    def read(self, topic: str) -> list[tuple[str, bytes]]:
        """Key and value of each message that the topic holds at this moment.

        Asked again for a while: partitions of a broker that hung are without a leader at first.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            consumer = Consumer(self.client_settings() | {"group.id": "reader"})
            try:
                return _read_all(consumer, topic)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            finally:
                consumer.close()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It says nothing, neither yes nor no, and keeps its connections."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def client_settings(self) -> dict[str, Any]:
        """What a client of librdkafka needs to speak to it."""
        settings = {
            "bootstrap.servers": self.address,
            "security.protocol": self.protocol,
            "ssl.ca.location": str(self.ca),
        }
        if self.protocol.startswith("SASL"):
            settings |= {
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": USERNAME,
                "sasl.password": self.password,
            }
        if self.client is not None:
            settings |= {
                "ssl.certificate.location": str(self.client / "tls.crt"),
                "ssl.key.location": str(self.client / "tls.key"),
            }
        return settings


def _read_all(consumer: Consumer, topic: str) -> list[tuple[str, bytes]]:
    ends = {}
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        if end > first:
            ends[partition] = end
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    messages: list[tuple[str, bytes]] = []
    missing = dict(ends)
    while missing:
        message = consumer.poll(30)
        if message is None:
            raise TimeoutError(f"{topic} holds more than it hands out")
        if message.error():
            raise KafkaException(message.error())
        partition, offset = message.partition(), message.offset()
        key, value = message.key(), message.value()
        assert partition is not None and offset is not None  # of a message that a broker sent
        assert key is not None and value is not None
        if offset < ends[partition]:
            messages.append((key.decode(), value))
        if offset + 1 >= ends[partition]:
            missing.pop(partition, None)
    return messages


@contextmanager
def running_kafka(
    folder: Path,
    host: str = "127.0.0.1",
    *,
    protocol: str = "SASL_SSL",
    wants_certificates: bool = False,
) -> Iterator[KafkaBroker]:
    """Start one that keeps everything in `folder`; ended by its own handle.

    `protocol` is SSL or SASL_SSL. With `wants_certificates` a client must have one of the same
    authority.
    """
    java = [str(installed("java")), *_JAVA_OPTIONS, "-cp", f"{installed('kafka')}/*"]
    port, controller_port = free_ports(2)
    password = secrets.token_hex(16)
    _write_certificates(folder, host)
    settings = folder / "server.properties"
    settings.touch(0o600)
    settings.write_text(
        _SETTINGS.format(
            folder=folder, host=host, port=port, controller_port=controller_port,
            protocol=protocol, listener=protocol.lower(),
            client_auth="required" if wants_certificates else "none",
            sasl=_SASL_SETTINGS.format(login=_LOGIN_MODULE, user=USERNAME, password=password)
            if protocol.startswith("SASL") else "",
        )
    )  # fmt: skip
    format_log = [
        *java, "kafka.tools.StorageTool", "format", f"--config={settings}",
        f"--cluster-id={urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')}",
        f"--add-scram=SCRAM-SHA-512=[name={USERNAME},password={password}]",
    ]  # fmt: skip
    subprocess.run(format_log, check=True, capture_output=True)
    # The kernel ends it when whoever started it is killed.
    command = ["setpriv", "--pdeathsig", "KILL", *java, "kafka.Kafka", str(settings)]
    with (folder / "kafka.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    client = folder / "client" if wants_certificates else None
    broker = KafkaBroker(f"{host}:{port}", folder / "ca.crt", password, process, protocol, client)
    try:
        _wait_until_ready(broker, folder / "kafka.log")
        yield broker
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write_certificates(folder: Path, host: str) -> None:
    """ca.crt, client/ with tls.crt and tls.key, and broker.pem with the key in PKCS#8, the one form
    that Kafka reads."""
    authority = trustme.CA()
    client = authority.issue_cert("filebeat.example.com")
    (folder / "client").mkdir(0o700)
    client.private_key_pem.write_to_path(folder / "client/tls.key")
    for blob in client.cert_chain_pems:
        blob.write_to_path(folder / "client/tls.crt", append=True)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    issued = authority.issue_cert(host)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = folder / "broker.pem"
    pem.touch(0o600)
    pem.write_bytes(key + b"".join(blob.bytes() for blob in issued.cert_chain_pems))


def _wait_until_ready(broker: KafkaBroker, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and broker.process.poll() is None:
        try:
            AdminClient(broker.client_settings() | {"log_level": 0}).list_topics(timeout=2)
        except KafkaException:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"Kafka did not start:\n{log.read_text(errors='replace')[-3000:]}")
