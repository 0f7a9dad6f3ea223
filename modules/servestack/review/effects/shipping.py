"""Filebeat's configuration, `filebeat.yml`: where events go, and how they are protected."""

from __future__ import annotations

from servestack.review.diff import Change
from servestack.review.effects.table import (
    Row,
    added,
    becomes,
    name_of,
    no_longer,
    removed,
    row,
)

_FILE = "filebeat.yml"
_KAFKA = r"^\[output\.kafka\]\.?"
_PLAIN = "events go to Kafka without TLS: anyone on the way can read them"


def _topic(change: Change) -> str | None:
    if change.operation != "change":
        return None
    return f"events go to topic {change.new}: consumers of {change.old} receive no more"


def _input(change: Change) -> str:
    if change.operation == "add":
        return f"{name_of(change)} events are shipped"
    return f"{name_of(change)} events are no longer shipped"


def _brokers(change: Change) -> str | None:
    if change.operation == "add":
        return f"events may go to broker {change.new} as well"
    if change.operation == "remove":
        return f"broker {change.old} is no longer asked"
    return f"events go to broker {change.new} instead of {change.old}"


def _authority(change: Change) -> str:
    if change.new is None:
        return "brokers are trusted if any authority of Filebeat's image has signed them"
    return "brokers are trusted by another certificate authority"


def _mechanism(change: Change) -> str | None:
    if change.old is not None and change.new == "PLAIN":
        return f"Filebeat sends its password to the brokers itself: {change.old}→PLAIN"
    return None


ROWS: tuple[Row, ...] = (
    row(_FILE, rf"{_KAFKA}ssl$", "security", removed(_PLAIN)),
    row(_FILE, rf"{_KAFKA}ssl$", "data", added("events go to Kafka by TLS")),
    row(_FILE, rf"{_KAFKA}ssl\.enabled$", "security", no_longer(True, _PLAIN)),
    row(
        _FILE, rf"{_KAFKA}ssl\.verification_mode$", "security",
        no_longer("full", "the brokers' certificates and names are no longer checked in full"),
    ),
    row(_FILE, rf"{_KAFKA}ssl\.certificate_authorities(\[\d+\])?$", "security", _authority),
    row(
        _FILE, rf"{_KAFKA}ssl\.(certificate|key)$", "security",
        removed("Filebeat no longer shows a certificate of its own to Kafka"),
    ),
    row(
        _FILE, rf"{_KAFKA}ssl\.ca_(sha256|trusted_fingerprint)", "security",
        "brokers are trusted by another certificate authority",
    ),
    row(
        _FILE, rf"{_KAFKA}(username|password|\[sasl\.mechanism\])$", "security",
        removed("Filebeat no longer logs in to Kafka"),
    ),
    row(
        _FILE, rf"{_KAFKA}(username|password|\[sasl\.mechanism\])$", "data",
        added("Filebeat logs in to Kafka"),
    ),
    row(_FILE, rf"{_KAFKA}\[sasl\.mechanism\]$", "security", _mechanism),
    row(_FILE, rf"{_KAFKA}hosts\[\d+\]$", "data", _brokers),
    row(
        _FILE, rf"{_KAFKA}required_acks$", "data",
        no_longer(-1, "Kafka may lose events: not every replica has to have them"),
    ),
    row(_FILE, rf"{_KAFKA}(key|topic|codec)", "data", "consumers receive events in another form"),
    row(_FILE, r"^\[filebeat\.inputs\]\[[^]]*\]\.fields\.topic$", "data", _topic),
    row(_FILE, r"^\[filebeat\.inputs\]\[[^]]*\]$", "data", _input),
    row(
        _FILE, r"^\[filebeat\.inputs\]\[[^]]*\]\.(paths|processors|parsers)", "data",
        "what Filebeat ships changes",
    ),
    row(_FILE, r"^http\.host$", "security", "Filebeat's own statistics are reachable elsewhere"),
    row(_FILE, r"^http\.enabled$", "data", becomes(False, "the pod no longer knows what Kafka has")),
)  # fmt: skip
