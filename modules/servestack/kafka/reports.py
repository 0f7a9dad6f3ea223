"""Turns what the client of Kafka reports into errors for the user."""

from __future__ import annotations

import re
from typing import Any

from servestack.errors import KafkaError, Problem

_AROUND = re.compile(
    r"^(?:\[[^]]*\]|\S+://\S+: |\S+:\d+/\S+: )+|\s*\(after [^()]*(?:\([^()]*\)[^()]*)*\)$"
)
"""The broker that librdkafka names first, and how often and how late it reports the same."""
_OPENSSL = re.compile(r"\S+\.c:\d+: error:[0-9A-F]+:[^:]*:[^:]*:|, verify that ssl\.ca\.location.*")
"""Where OpenSSL failed in its source, and the advice for those who set librdkafka's properties."""


class Reports:
    """What the client reports beside its answers, as its `error_cb`.

    It tries again by itself after most failures. `last` is the last reason, `refusal` the last one
    that another try will not change.
    """

    def __init__(self) -> None:
        self.last = ""
        self.refusal = ""

    def __call__(self, error: Any) -> None:
        from confluent_kafka import KafkaError as Code

        reason = plain_reason(error.str())
        if error.code() in (Code._AUTHENTICATION, Code._SSL):
            self.refusal = reason
        if error.code() != Code._ALL_BROKERS_DOWN or not self.last:
            self.last = reason

    def raise_refusal(self, brokers: str) -> None:
        """Raise KafkaError (SRV563) if a broker has refused the client, or the client a broker."""
        if self.refusal:
            raise KafkaError(
                Problem(
                    "SRV563",
                    f"the connection to {brokers} is refused: {self.refusal}",
                    hint="are KAFKA_USERNAME and KAFKA_PASSWORD yours, and does KAFKA_CA_FILE hold the "
                    "authority of the brokers' certificates?",
                )
            )


def plain_reason(text: str) -> str:
    """Return a report of librdkafka without what only its developers need."""
    return _OPENSSL.sub("", _AROUND.sub("", text)).strip() or text


def no_answer(brokers: str, reason: str, seconds: float) -> KafkaError:
    """Return the error for brokers that did not answer in time."""
    why = f": {reason}" if reason else ""
    return KafkaError(
        Problem(
            "SRV562",
            f"no broker of {brokers} has answered within {seconds:g} s{why}",
            hint="are they reachable from here? Brokers inside a cluster often are not: write their "
            "outer addresses as bootstrap.servers into a file and name it with --client-config",
        )
    )
