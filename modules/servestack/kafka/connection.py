"""Settings of a client of librdkafka: the environment's, and the credentials of who calls.

The environment says where the brokers are and how they are spoken to. Its credentials are Secrets
in the cluster, and those of Filebeat, which may only write. So a command takes the caller's own:
from variables of the process, or from a file of librdkafka's properties, which wins over all else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servestack.errors import KafkaError, Location, Problem
from servestack.kafka.reports import Reports, no_answer
from servestack.spec.environment import Kafka

if TYPE_CHECKING:
    from confluent_kafka import Consumer
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._metadata import ClusterMetadata

VARIABLES = {
    "KAFKA_USERNAME": "sasl.username",
    "KAFKA_PASSWORD": "sasl.password",
    "KAFKA_CA_FILE": "ssl.ca.location",
    "KAFKA_CERTIFICATE_FILE": "ssl.certificate.location",
    "KAFKA_KEY_FILE": "ssl.key.location",
}
"""The caller's own credentials: variable of the process, and property of librdkafka."""

ANSWER_SECONDS = 15.0
"""How long brokers have to answer the first request."""

_ATTEMPT_SECONDS = 0.5


def client_settings(
    kafka: Kafka, variables: Mapping[str, str], properties: Path | None = None
) -> dict[str, Any]:
    """Return the settings of a librdkafka client, without callbacks.

    Raises KafkaError if the client is not installed (SRV560), or if the properties cannot be read
    or a user name, password or file is missing (SRV561).
    """
    if find_spec("confluent_kafka") is None:
        raise KafkaError(
            Problem(
                "SRV560",
                "the client of Kafka is not installed",
                hint="pip install 'servestack[kafka]'",
            )
        )
    security = kafka.security
    own = _own_settings(security.protocol, variables)
    given = _read_properties(properties) if properties is not None else {}
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(kafka.brokers),
        "security.protocol": security.protocol,
        "client.id": "servestack",
        "log_level": 0,  # What it would print is reported to Reports as well.
        **own,
    }
    if security.protocol.startswith("SASL"):
        settings["sasl.mechanism"] = security.mechanism
    settings |= given
    if settings["security.protocol"].upper().startswith("SASL"):
        _require_user(settings, properties)
    for name in VARIABLES.values():
        if name.endswith(".location") and (file := settings.get(name)) and not Path(file).exists():
            hint = f"correct {_origin(name, properties, given)}"
            raise KafkaError(Problem("SRV561", f"there is no file {file}", hint=hint))
    return settings


def _own_settings(protocol: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what the variables say, as far as the protocol takes it."""
    parts = [part for part in ("sasl", "ssl") if part.upper() in protocol.split("_")]
    return {
        name: variables[variable]
        for variable, name in VARIABLES.items()
        if name.split(".", 1)[0] in parts and variables.get(variable)
    }


def _require_user(settings: Mapping[str, Any], properties: Path | None) -> None:
    mechanism = str(settings.get("sasl.mechanism", settings.get("sasl.mechanisms", "")))
    missing = [
        variable
        for variable in ("KAFKA_USERNAME", "KAFKA_PASSWORD")
        if not settings.get(VARIABLES[variable])
    ]
    if missing and not mechanism.upper().startswith(("OAUTH", "GSSAPI")):
        raise KafkaError(
            Problem(
                "SRV561",
                f"the brokers ask for a user (kafka.security.protocol: {settings['security.protocol']}), "
                f"and {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
                Location(properties) if properties is not None else None,
                hint="set KAFKA_USERNAME and KAFKA_PASSWORD to your own, not Filebeat's; or write "
                "sasl.username and sasl.password into a file and name it with --client-config",
            )
        )


def _origin(name: str, properties: Path | None, given: Mapping[str, str]) -> str:
    if name in given:
        return f"{name} in {properties}"
    return next(variable for variable, own in VARIABLES.items() if own == name)


def _read_properties(file: Path) -> dict[str, str]:
    """Read lines `name=value`. Empty lines, and lines that begin with #, say nothing."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise KafkaError(
            Problem("SRV561", f"the properties cannot be read: {reason}", Location(file))
        ) from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            hint = "write properties of librdkafka, such as sasl.username=me"
            raise KafkaError(
                Problem("SRV561", "this line is not name=value", Location(file, number), hint=hint)
            )
        found[name.strip()] = value.strip()
    return found


def wait_for_brokers(
    client: Consumer | AdminClient,
    reports: Reports,
    brokers: str,
    *,
    topic: str | None = None,
    seconds: float = ANSWER_SECONDS,
) -> ClusterMetadata:
    """Return the cluster's metadata, of one topic only if it is given.

    `reports` is the client's `error_cb`. Raises KafkaError as soon as a broker refuses the
    credentials or its certificate is not trusted (SRV563), or if none has answered in time (SRV562).
    """
    from confluent_kafka import KafkaException

    deadline = time.monotonic() + seconds
    while True:
        try:
            if topic is None:
                return client.list_topics(timeout=_ATTEMPT_SECONDS)
            return client.list_topics(topic, timeout=_ATTEMPT_SECONDS)
        except KafkaException:
            client.poll(0)  # Delivers what the client has to report.
            reports.raise_refusal(brokers)
            if time.monotonic() > deadline:
                raise no_answer(brokers, reports.last, seconds) from None
