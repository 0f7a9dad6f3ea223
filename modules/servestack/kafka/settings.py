"""Where to reach the brokers, and as whom: the settings of librdkafka for one environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from servestack.errors import KafkaError, Location, Problem
from servestack.spec.environment import Kafka

USERNAME, PASSWORD = "KAFKA_USERNAME", "KAFKA_PASSWORD"
"""Variables with the credentials of the person who runs the command."""
_JAVA_ONLY = {
    "sasl.jaas.config": "sasl.username and sasl.password",
    "ssl.truststore.location": "ssl.ca.location, a PEM file",
    "ssl.keystore.location": "ssl.certificate.location and ssl.key.location, PEM files",
}
"""Settings of Java's clients that librdkafka lacks, and what it has instead."""


def client_settings(
    kafka: Kafka, file: Path | None, environment: Mapping[str, str]
) -> dict[str, str]:
    """The environment's brokers and protocol, then the file's settings, then the variables'.

    `file` has lines `name=value`, as `kcat -F` reads them. Raises KafkaError (SRV551) if it cannot
    be read, or if nobody says the user name and password that the protocol needs. The Secret that
    the environment names is Filebeat's, and is not asked for.
    """
    settings = {
        "bootstrap.servers": ",".join(kafka.brokers),
        "security.protocol": kafka.security.protocol,
        "sasl.mechanism": kafka.security.mechanism,
    }
    settings |= {} if file is None else read_properties(file)
    for name, variable in (("sasl.username", USERNAME), ("sasl.password", PASSWORD)):
        if environment.get(variable):
            settings[name] = environment[variable]
    sasl = settings["security.protocol"].upper().startswith("SASL")
    # Kafka's tools call it sasl.mechanism, librdkafka's documentation sasl.mechanisms: one setting.
    mechanism = settings.pop("sasl.mechanisms", settings.pop("sasl.mechanism")).upper()
    if not sasl:
        return {n: v for n, v in settings.items() if n not in ("sasl.username", "sasl.password")}
    by_password = mechanism == "PLAIN" or mechanism.startswith("SCRAM")
    missing = [n for n in ("sasl.username", "sasl.password") if not settings.get(n)]
    if by_password and missing:
        hint = (
            f"set {USERNAME} and {PASSWORD}, or write sasl.username and sasl.password into a file "
            "for --client-config"
        )
        message = f"the brokers ask for a password, and nobody says {' and '.join(missing)}"
        raise KafkaError(Problem("SRV551", message, hint=hint))
    return settings | {"sasl.mechanism": mechanism}


def read_properties(file: Path) -> dict[str, str]:
    """The lines `name=value` of a file; empty ones and those that begin with # say nothing.

    Raises KafkaError (SRV551), without ever repeating a value.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise KafkaError(Problem("SRV551", f"{file} cannot be read: {reason}")) from None
    settings: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        name = name.strip()
        if not name or name.startswith("#"):
            continue
        if not equals:
            problems.append(_problem(file, number, "is no line name=value", "write name=value"))
        elif name in _JAVA_ONLY:
            hint = f"write {_JAVA_ONLY[name]}"
            problems.append(_problem(file, number, f"{name} is a setting of Java's clients", hint))
        else:
            settings[name] = value.strip()
    if problems:
        raise KafkaError(problems)
    return settings


def _problem(file: Path, line: int, message: str, hint: str) -> Problem:
    return Problem("SRV551", message, Location(file, line), hint=hint)
