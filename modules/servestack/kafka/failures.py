"""Turns what librdkafka and the brokers say into errors for the user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from servestack.errors import KafkaError, Problem

_PLACE = re.compile(
    r"^(?:\w+://)?(?:\S*/\S+: )?(.*?)(?: \(after \d+ms in state \w+\))?$", re.DOTALL
)
_UNTRUSTED = "certificate verify failed"


def unreachable(addresses: str, told: Sequence[Any]) -> KafkaError:
    """The error for brokers that nobody could talk to; `told` are librdkafka's errors, in order."""
    by_name = {error.name(): error.str() for error in reversed(told)}
    if "_AUTHENTICATION" in by_name:
        hint = "check user name, password and mechanism; the password may have been changed"
        message = f"Kafka at {addresses} refuses the login: {_reason(by_name['_AUTHENTICATION'])}"
        return KafkaError(Problem("SRV554", message, hint=hint))
    if "_SSL" in by_name:
        said = _reason(by_name["_SSL"])
        hint = "does the broker speak TLS at this port, and does it ask for a client certificate?"
        if _UNTRUSTED in said:
            said = "the broker's certificate is not trusted, has expired, or is for another name"
            hint = "write ssl.ca.location=<ca.crt of the brokers> into a file for --client-config"
        return KafkaError(Problem("SRV553", f"no TLS to Kafka at {addresses}: {said}", hint=hint))
    says = next((by_name[n] for n in ("_RESOLVE", "_TRANSPORT") if n in by_name), "no answer")
    hint = (
        "is it running, and can this machine reach it? bootstrap.servers in a file for "
        "--client-config replaces the environment's addresses"
    )
    message = f"no broker of Kafka at {addresses} can be reached: {_reason(says)}"
    return KafkaError(Problem("SRV552", message, hint=hint))


def _reason(said: str) -> str:
    """What librdkafka says, without its own words on the thread and the time."""
    found = _PLACE.match(said)
    return found[1] if found else said


def refusal(error: Any, topic: str, what: str, right: str) -> Problem:
    """The problem of one topic. `what` follows "cannot"; `right` is the operation of the ACL."""
    name, said = error.name(), error.str()
    if name.endswith("AUTHORIZATION_FAILED"):
        hint = f"the user needs {right} on the topic; see docs/how-to/kafka-topics.md"
        return Problem("SRV555", f"{topic}: not authorized to {what}", hint=hint)
    if name == "INVALID_REPLICATION_FACTOR":
        hint = (
            "wait for brokers that are down, or lower kafka.topics.replicationFactor of the "
            "environment"
        )
        return Problem("SRV556", f"{topic}: {said}", hint=hint)
    return Problem("SRV558", f"{topic}: cannot {what}: {said}")
