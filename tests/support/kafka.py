"""A real Kafka as processes: KRaft, one broker or several, TLS with SASL or client certificates."""

from __future__ import annotations

import secrets
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import trustme
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from tests.support.kafka_certificates import broker_pem, client_folder
from tests.support.kafka_records import Record, TimedRecord, read_records
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY
from tests.support.tools import installed

USERNAME = "filebeat"
"""It may write and describe the topics of the prefixes that `allow_writing` names, as docs say."""
ADMINISTRATOR = "admin"
"""It may do everything."""
_READY_SECONDS = 300
_JAVA_OPTIONS = ("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A broker that lives for minutes does not get back what optimizing its code costs."""
_SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=CLIENTS://{host}:{port},INTERNAL://127.0.0.1:{internal_port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=CLIENTS:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{administrator}
listener.name.clients.ssl.client.auth={client_auth}
listener.name.clients.ssl.keystore.type=PEM
listener.name.clients.ssl.keystore.location={folder}/broker.pem
listener.name.clients.ssl.truststore.type=PEM
listener.name.clients.ssl.truststore.location={ca}
listener.name.clients.ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/
ssl.allow.dn.changes=true
# Each thread of the network takes a new certificate on its own: one, and it is taken or not.
num.network.threads=1
auto.create.topics.enable=false
default.replication.factor={copies}
offsets.topic.replication.factor={copies}
group.initial.rebalance.delay.ms=0
# A machine that has other work must not look like a lost broker or controller.
broker.session.timeout.ms=9000
broker.heartbeat.interval.ms=1000
initial.broker.registration.timeout.ms=120000
controller.quorum.fetch.timeout.ms=8000
log.dirs={folder}/data
"""
_SASL_SETTINGS = """\
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config={login} required;
"""
_LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


@dataclass
class Broker:
    """One broker, a process of its own that keeps everything in `folder`.

    `address` is where clients reach it; `internal` (127.0.0.1, without TLS or password) is what the
    brokers use among themselves, and the tests that arrange something.
    """

    id: int
    address: str
    internal: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the data that it has. It is ready later: `KafkaCluster.wait_until_ready`."""
        assert self.process is None, "it runs already"
        # The kernel ends it when whoever started it is killed.
        command = ["setpriv", "--pdeathsig", "KILL", *_java(), "kafka.Kafka"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, self.folder / "server.properties"], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """It is gone in this moment, as with a node that lost its power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def pause(self) -> None:
        """It says nothing from now on, neither yes nor no, and keeps its connections."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on where `pause` stopped it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def shut_down(self) -> None:
        """Ask it to hand its partitions over and exit, and wait until it has."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    @property
    def log(self) -> Path:
        """What the process writes."""
        return self.folder / "kafka.log"


@dataclass
class KafkaCluster:
    """Running brokers, the authority of their certificates, and the passwords of their users.

    `client` is the folder with tls.crt and tls.key of USERNAME's certificate, as a Secret of type
    kubernetes.io/tls has them; None where the brokers ask for no certificate.
    """

    brokers: tuple[Broker, ...]
    authority: trustme.CA
    ca: Path
    protocol: str
    client: Path | None
    passwords: dict[str, str]
    _admin: AdminClient | None = field(default=None, init=False)
    _password_changes: int = field(default=0, init=False)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where clients reach the brokers, host:port."""
        return tuple(broker.address for broker in self.brokers)

    @property
    def address(self) -> str:
        """Where clients reach the first broker, host:port."""
        return self.brokers[0].address

    @property
    def password(self) -> str:
        """The password of USERNAME."""
        return self.passwords[USERNAME]

    @property
    def admin(self) -> AdminClient:
        """A client that may do everything and needs neither password nor certificate."""
        if self._admin is None:
            internal = ",".join(broker.internal for broker in self.brokers)
            self._admin = AdminClient({"bootstrap.servers": internal, "log_level": 0})
        return self._admin

    @property
    def _started(self) -> list[Broker]:
        return [broker for broker in self.brokers if broker.process is not None]

    def broker(self, identity: int) -> Broker:
        """The broker of this id; ids count from 1."""
        return self.brokers[identity - 1]

    def create_topics(self, model: str, prefix: str = "servestack", **config: str) -> None:
        """The topics of a model as logging/topics.yaml has them, with copies on three brokers at
        most; USERNAME may write to all topics of the prefix."""
        settings = yaml.safe_load((REPOSITORY / "logging/topics.yaml").read_text())
        copies = min(3, len(self.brokers))
        common = settings["config"] | {"min.insync.replicas": str(max(1, copies - 1))} | config
        wanted = [
            NewTopic(
                f"{prefix}.{model}.{kind}",
                num_partitions=one["partitions"],
                replication_factor=copies,
                config=common | {"retention.ms": str(one["retentionHours"] * 3_600_000)},
            )
            for kind, one in settings["kinds"].items()
        ]
        for created in self.admin.create_topics(wanted).values():
            created.result(timeout=30)
        self.allow_writing(prefix)

    def delete_topics(self, model: str, prefix: str = "servestack") -> None:
        """Ask for the end of a model's topics. Each partition costs a broker memory, and time at its
        next start."""
        names = [
            name
            for name in self.admin.list_topics(timeout=30).topics
            if name.startswith(f"{prefix}.{model}.")
        ]
        self.admin.delete_topics(names)

    def allow_writing(self, prefix: str) -> None:
        """USERNAME gets what docs/how-to/kafka-with-tls.md gives it, and no more."""
        bindings = [
            AclBinding(
                ResourceType.TOPIC, f"{prefix}.", ResourcePatternType.PREFIXED, f"User:{USERNAME}",
                "*", operation, AclPermissionType.ALLOW,
            )
            for operation in (AclOperation.WRITE, AclOperation.DESCRIBE)
        ]  # fmt: skip
        for created in self.admin.create_acls(bindings).values():
            created.result(timeout=30)

    def change_password(self, password: str, user: str = USERNAME) -> None:
        """Only this password holds from now on, at every broker that runs (none may be paused);
        connections that are open stay open."""
        self._password_changes += 1
        # One iteration more than before tells which brokers have heard of the change.
        iterations = 4096 + self._password_changes
        upsertion = UserScramCredentialUpsertion(
            user,
            ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, iterations),
            password.encode(),
        )
        for changed in self.admin.alter_user_scram_credentials([upsertion]).values():
            changed.result(timeout=30)
        for broker in self._started:
            admin = AdminClient({"bootstrap.servers": broker.internal, "log_level": 0})
            while iterations != _scram_iterations(admin, user):
                time.sleep(0.05)
        self.passwords[user] = password

    def replace_certificate(self, broker: Broker, expires: datetime | None = None) -> None:
        """A new certificate for clients that connect from now on; valid for long without
        `expires`, which may be in the past. Connections that are open stay open."""
        host, _, port = broker.address.rpartition(":")
        pem = broker_pem(self.authority, host, expires)
        (broker.folder / "broker.pem").write_bytes(pem)
        entry = ConfigEntry(
            "listener.name.clients.ssl.keystore.location",
            str(broker.folder / "broker.pem"),
            incremental_operation=AlterConfigOpType.SET,
        )
        # The same path again: the broker reads a file again only when it is told.
        resource = ConfigResource(
            ConfigResource.Type.BROKER, str(broker.id), incremental_configs=[entry]
        )
        for changed in self.admin.incremental_alter_configs([resource]).values():
            changed.result(timeout=30)
        deadline = time.monotonic() + _READY_SECONDS
        while ssl.get_server_certificate((host, int(port)), timeout=5).encode() not in pem:
            assert time.monotonic() < deadline, f"broker {broker.id} keeps its old certificate"
            time.sleep(0.05)

    def read(self, topic: str) -> list[Record]:
        """Key and value of each message that the topic holds at this moment."""
        return [(record.key, record.value) for record in self.read_timed(topic)]

    def read_timed(self, topic: str) -> list[TimedRecord]:
        """Each message that the topic holds at this moment, with the time that its broker gave it.

        Asked again for a while: partitions of a broker that hung are without a leader at first.
        """
        deadline = time.monotonic() + _READY_SECONDS
        internal = ",".join(broker.internal for broker in self.brokers)
        while True:
            try:
                return read_records({"bootstrap.servers": internal, "log_level": 0}, topic)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """All brokers say nothing, neither yes nor no, and keep their connections."""
        for broker in self.brokers:
            broker.pause()
        try:
            yield
        finally:
            for broker in self.brokers:
                broker.resume()

    def client_settings(self, user: str = USERNAME) -> dict[str, Any]:
        """What a client of librdkafka needs to speak to them as this user."""
        settings = {
            "bootstrap.servers": ",".join(self.addresses),
            "security.protocol": self.protocol,
            "ssl.ca.location": str(self.ca),
        }
        if self.protocol.startswith("SASL"):
            settings |= {
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": user,
                "sasl.password": self.passwords[user],
            }
        if self.client is not None:
            settings |= {
                "ssl.certificate.location": str(self.client / "tls.crt"),
                "ssl.key.location": str(self.client / "tls.key"),
            }
        return settings

    def wait_until_ready(self) -> None:
        """Return when each broker that was started, and not killed, knows these and no others.

        Raises RuntimeError, with the end of its log, where one exited or time is up.
        """
        deadline = time.monotonic() + _READY_SECONDS
        for broker in self._started:
            admin = AdminClient({"bootstrap.servers": broker.internal, "log_level": 0})
            while not _knows(admin, len(self._started)):
                exited = broker.process is None or broker.process.poll() is not None
                if exited or time.monotonic() > deadline:
                    told = broker.log.read_text(errors="replace")[-3000:]
                    raise RuntimeError(f"Kafka's broker {broker.id} did not start:\n{told}")
                time.sleep(0.1)


def _knows(admin: AdminClient, brokers: int) -> bool:
    try:
        return len(admin.list_topics(timeout=2).brokers) == brokers
    except KafkaException:
        return False


def _scram_iterations(admin: AdminClient, user: str) -> int:
    answers = admin.describe_user_scram_credentials([user])
    assert isinstance(answers, dict)  # of a list of users
    return int(answers[user].result(timeout=30).scram_credential_infos[0].iterations)


def _java() -> list[str]:
    return [str(installed("java")), *_JAVA_OPTIONS, "-cp", f"{installed('kafka')}/*"]


@contextmanager
def running_kafka(
    folder: Path,
    host: str = "127.0.0.1",
    *,
    brokers: int = 1,
    protocol: str = "SASL_SSL",
    wants_certificates: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Iterator[KafkaCluster]:
    """Start brokers that keep everything in `folder`; ended by their own handles.

    `protocol` is SSL or SASL_SSL. With `wants_certificates` a client must have one of the same
    authority. `settings` are further lines of server.properties.
    """
    ports = free_ports(3 * brokers)
    clients, internals, controllers = (ports[start::3] for start in range(3))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    passwords = {user: secrets.token_hex(16) for user in (USERNAME, ADMINISTRATOR)}
    cluster = KafkaCluster(
        tuple(
            Broker(number + 1, f"{host}:{clients[number]}", f"127.0.0.1:{internals[number]}",
                   folder / f"broker-{number + 1}")
            for number in range(brokers)
        ),
        authority,
        folder / "ca.crt",
        protocol,
        client_folder(authority, folder / "client", USERNAME) if wants_certificates else None,
        passwords,
    )  # fmt: skip
    for broker, port, internal_port, controller_port in zip(
        cluster.brokers, clients, internals, controllers, strict=True
    ):
        broker.folder.mkdir(0o700)
        (broker.folder / "broker.pem").write_bytes(broker_pem(authority, host))
        lines = _SETTINGS.format(
            node=broker.id, host=host, port=port, internal_port=internal_port,
            controller_port=controller_port, protocol=protocol, administrator=ADMINISTRATOR,
            voters=",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1)),
            client_auth="required" if wants_certificates else "none",
            folder=broker.folder, ca=folder / "ca.crt", copies=min(3, brokers),
        )  # fmt: skip
        if protocol.startswith("SASL"):
            lines += _SASL_SETTINGS.format(login=_LOGIN_MODULE)
        lines += "".join(f"{name}={value}\n" for name, value in (settings or {}).items())
        (broker.folder / "server.properties").write_text(lines)
    _format(cluster)
    try:
        for broker in cluster.brokers:
            broker.start()
        cluster.wait_until_ready()
        yield cluster
    finally:
        for broker in cluster.brokers:
            broker.kill()


def _format(cluster: KafkaCluster) -> None:
    """Write the folders of data: Kafka's tool writes the first, the others differ in their id."""
    first, *others = cluster.brokers
    command = [
        *_java(), "kafka.tools.StorageTool", "format",
        f"--config={first.folder / 'server.properties'}", "--cluster-id=AAAAAAAAAAAAAAAAAAAAAQ",
    ]  # fmt: skip
    command += [
        f"--add-scram=SCRAM-SHA-512=[name={user},password={password}]"
        for user, password in cluster.passwords.items()
    ]
    subprocess.run(command, check=True, capture_output=True)
    written = (first.folder / "data/meta.properties").read_text().splitlines()
    kept = [line for line in written if not line.startswith(("node.id=", "directory.id="))]
    for broker in others:
        shutil.copytree(first.folder / "data", broker.folder / "data")
        own = [f"node.id={broker.id}", f"directory.id={secrets.token_urlsafe(16)}"]
        (broker.folder / "data/meta.properties").write_text("\n".join([*kept, *own]) + "\n")
