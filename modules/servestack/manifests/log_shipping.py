"""How events reach Kafka: Filebeat as a native sidecar, and its configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import yaml

from servestack.data import read_template
from servestack.errors import BuildError, Problem
from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.manifests.remembered import remembered
from servestack.manifests.security import container_security_context
from servestack.manifests.templates import Structure, form, format_of, rendered
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Kafka
from servestack.spec.quantities import byte_count

MESSAGE_OVERHEAD_BYTES = 256
"""How much larger a message is than its event: 36 bytes that Filebeat's Kafka client counts for a
record, a key of up to 128 bytes, 61 bytes of a record batch, and a margin.
"""

_CONFIG = "filebeat.yml"
_DRAIN = "drain.sh"
_SHIP = "ship.sh"
TEMPLATE = "logging/filebeat.yml.j2"
_EXPECTED = {"filebeat.inputs", "queue.mem", "output.kafka", "path.data", "http"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def build_filebeat_config_map(service: ResolvedService) -> Body | None:
    """The ConfigMap with Filebeat's configuration and scripts; None if nothing is shipped."""
    kafka = service.environment.kafka
    if kafka is None or not service.topics.shipped():
        return None
    data = {
        _CONFIG: filebeat_config(service),
        _DRAIN: read_template("logging/drain.sh"),
    }
    if _secrets(kafka):
        data[_SHIP] = read_template("logging/ship.sh")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(service, names.filebeat_config_name(service)),
        "data": data,
    }


@remembered
def filebeat_config(service: ResolvedService) -> str:
    """The text of filebeat.yml of a service that ships events.

    Raises BuildError if the template renders something else.
    """
    kafka = service.environment.kafka
    assert kafka is not None  # There are no topics without.
    security = kafka.security
    tls = security.protocol.endswith("SSL")
    shipped = service.topics.shipped()
    structure = filebeat_structure(
        kinds=[kind for kind, _ in shipped],
        sasl=security.protocol.startswith("SASL"),
        tls=tls,
        ca=tls and security.ca is not None,
        client=security.client_certificate is not None,
    )
    values = {f"topic_{kind}": topic for kind, topic in shipped} | {
        "events_folder": names.EVENTS_FOLDER,
        "data_folder": names.FILEBEAT_DATA_FOLDER,
        "stats_port": names.FILEBEAT_STATS_PORT,
        "brokers": json.dumps(kafka.brokers),
        "max_event_bytes": largest_event_bytes(service),
        "max_message_bytes": byte_count(kafka.max_message),
        "sasl_mechanism": security.mechanism,
        "ca_file": f"{names.KAFKA_CA_FOLDER}/{security.ca.key}" if security.ca else "",
        "shutdown_seconds": max(service.spec.shutdown.log_drain_seconds, 1),
    }
    text = form(TEMPLATE, structure, make_form) % (values | _client_certificate_files(kafka))
    checked = text
    for kind, topic in shipped:
        checked = checked.replace(f'"{topic}"', f'"{kind}"')
    _check(checked)
    return text


def _client_certificate_files(kafka: Kafka) -> dict[str, str]:
    """The files of the certificate and of its key; empty where Filebeat has none."""
    client = kafka.security.client_certificate
    if client is None:
        return {}
    folder = names.KAFKA_CLIENT_FOLDER
    return {
        "client_certificate": f"{folder}/{client.certificate_key}",
        "client_key": f"{folder}/{client.private_key_key}",
    }


def filebeat_structure(
    *, kinds: Sequence[str], sasl: bool, tls: bool, ca: bool, client: bool
) -> Structure:
    """What decides on the structure of filebeat.yml."""
    return {"kinds": list(kinds), "sasl": sasl, "tls": tls, "ca": ca, "client": client}


def make_form(template: str, structure: Structure) -> str:
    """filebeat.yml as a %-format."""
    own = (
        "events_folder", "data_folder", "stats_port", "brokers", "max_event_bytes",
        "max_message_bytes", "sasl_mechanism", "ca_file", "client_certificate", "client_key",
        "shutdown_seconds",
    )  # fmt: skip
    values = dict(structure) | {name: f"@{name}@" for name in own}
    values["topics"] = [(kind, f"@topic_{kind}@") for kind in structure["kinds"]]
    return format_of(rendered(template, values, keep_trailing_newline=True))


def largest_event_bytes(service: ResolvedService) -> int:
    """The largest line that the server may write, in bytes: logging.maxEvent, or Kafka's limit.

    Filebeat drops a larger message, mentions it only in its log, and counts it as shipped.
    """
    largest = byte_count(service.spec.logging.max_event)
    kafka = service.environment.kafka
    if kafka is None:
        return largest
    return min(largest, byte_count(kafka.max_message) - MESSAGE_OVERHEAD_BYTES)


@lru_cache(maxsize=512)
def _check(text: str) -> None:
    """Check the rendered text. Models that differ only in their topics are checked once."""
    try:
        parsed = yaml.load(text, _LOADER)
    except yaml.YAMLError as error:
        raise BuildError(
            Problem("SRV401", f"{TEMPLATE} does not render to valid YAML: {error}")
        ) from None
    missing = _EXPECTED - set(parsed if isinstance(parsed, dict) else ())
    if missing:
        raise BuildError(Problem("SRV401", f"{TEMPLATE} lacks {', '.join(sorted(missing))}"))


def build_filebeat_container(service: ResolvedService) -> Body | None:
    """Filebeat as a native sidecar, which outlives the server; None if nothing is shipped."""
    kafka = service.environment.kafka
    if kafka is None or not service.topics.shipped():
        return None
    image = service.environment.images.filebeat
    config = names.FILEBEAT_CONFIG_FOLDER
    container: Body = {
        "name": names.FILEBEAT_CONTAINER,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "restartPolicy": "Always",
        **_program(kafka),
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"},
            "limits": {"cpu": "500m", "memory": "192Mi", "ephemeral-storage": "128Mi"},
        },
        "lifecycle": {"preStop": {"exec": {"command": _drain_command(service)}}},
        "securityContext": container_security_context(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "filebeat-config", "mountPath": config, "readOnly": True},
            {"name": "filebeat-data", "mountPath": names.FILEBEAT_DATA_FOLDER},
            {"name": "events", "mountPath": names.EVENTS_FOLDER},
        ],
    }
    secrets = _secrets(kafka)
    if secrets:
        memory = {"name": "filebeat-memory", "mountPath": names.FILEBEAT_MEMORY_FOLDER}
        container["volumeMounts"].append(memory)
    for name, folder, _ in secrets:
        mount = {"name": name, "mountPath": folder, "readOnly": True}
        container["volumeMounts"].append(mount)
    return container


def _program(kafka: Kafka) -> Body:
    """Filebeat itself, or the script that starts it again when a Secret that it reads changes."""
    config = f"{names.FILEBEAT_CONFIG_FOLDER}/{_CONFIG}"
    folders = [folder for _, folder, _ in _secrets(kafka)]
    if not folders:
        # The owner of a mounted ConfigMap is root, which Filebeat's own check does not accept.
        return {"args": ["-e", "--strict.perms=false", "-c", config]}
    credentials = names.KAFKA_CREDENTIALS_FOLDER
    return {
        "command": ["sh", f"{names.FILEBEAT_CONFIG_FOLDER}/{_SHIP}"],
        "args": [
            config,
            names.FILEBEAT_MEMORY_FOLDER,
            credentials if credentials in folders else "-",
            *(folder for folder in folders if folder != credentials),
        ],
    }


def _drain_command(service: ResolvedService) -> list[str]:
    """Wait until the server has exited, then until Kafka has accepted every event on disk."""
    shutdown = service.spec.shutdown
    seconds = shutdown.drain_seconds + shutdown.request_seconds + shutdown.log_drain_seconds
    script = f"{names.FILEBEAT_CONFIG_FOLDER}/{_DRAIN}"
    return ["sh", script, names.EVENTS_FOLDER, names.FILEBEAT_DATA_FOLDER, str(seconds)]


def filebeat_volumes(service: ResolvedService) -> list[Body]:
    """The volumes of the sidecar; empty if nothing is shipped."""
    kafka = service.environment.kafka
    if kafka is None or not service.topics.shipped():
        return []
    volumes: list[Body] = [
        {"name": "filebeat-config", "configMap": {"name": names.filebeat_config_name(service)}},
        # Not on the disk: once that was full, Filebeat 7.17 leaves every other change out of its
        # registry until it is started again, and whoever waits for the last offset waits in vain.
        {"name": "filebeat-data", "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}},
    ]
    secrets = _secrets(kafka)
    if secrets:
        memory = {"medium": "Memory", "sizeLimit": "1Mi"}
        volumes.append({"name": "filebeat-memory", "emptyDir": memory})
    return volumes + [{"name": name, "secret": source} for name, _, source in secrets]


def _secrets(kafka: Kafka) -> list[tuple[str, str, Body]]:
    """The Secrets that Filebeat reads as files: name of the volume, folder, and its source."""
    security = kafka.security
    secrets: list[tuple[str, str, Body]] = []
    if security.credentials is not None:
        given = security.credentials
        keys = {"username": given.username_key, "password": given.password_key}
        items = [{"key": key, "path": path} for path, key in keys.items()]
        # For the pod's group alone (fsGroup), which is Filebeat's; so is a private key.
        source = {"secretName": given.secret, "defaultMode": 0o440, "items": items}
        secrets.append(("kafka-credentials", names.KAFKA_CREDENTIALS_FOLDER, source))
    if security.ca is not None:
        items = [{"key": security.ca.key, "path": security.ca.key}]
        source = {"secretName": security.ca.secret, "items": items}
        secrets.append(("kafka-ca", names.KAFKA_CA_FOLDER, source))
    client = security.client_certificate
    if client is not None:
        files = dict.fromkeys((client.certificate_key, client.private_key_key))
        items = [{"key": key, "path": key} for key in files]
        source = {"secretName": client.secret, "defaultMode": 0o440, "items": items}
        secrets.append(("kafka-client", names.KAFKA_CLIENT_FOLDER, source))
    return secrets
