"""What `servestack topics` gives to Kafka's client, and what it says where it cannot."""

from __future__ import annotations

import pytest

from servestack.errors import KafkaError
from servestack.kafka.client import KafkaAdmin
from servestack.kafka.connection import client_settings
from servestack.kafka.plan import Existing, plan
from servestack.manifests.topics import Topic
from servestack.spec.environment import Kafka

KAFKA = Kafka.model_validate(
    {"brokers": ["a:9093", "b:9093"], "security": {"credentials": {"secret": "kafka"}}}
)


def test_a_setting_that_the_client_does_not_know() -> None:
    own = {"KAFKA_USERNAME": "me", "KAFKA_PASSWORD": "canary-77aa01"}
    settings = client_settings(KAFKA, own) | {"ssl.ca.locatoin": "/ca.crt"}
    with pytest.raises(KafkaError, match=r"SRV561 .*ssl\.ca\.locatoin"):
        KafkaAdmin(settings)


def test_what_differs() -> None:
    topic = Topic("t", "iris", "feedback", 3, 3, {"retention.ms": "10", "cleanup.policy": "delete"})
    same = {"retention.ms": "10", "cleanup.policy": "delete", "other": "1"}
    (missing,) = plan([topic], {"another": Existing(1, 1, {})})
    assert missing.action == "create"
    (kept,) = plan([topic], {"t": Existing(5, 3, same)})
    assert (kept.action, kept.settings) == ("keep", ())
    (few,) = plan([topic], {"t": Existing(2, 3, same)})
    assert (few.action, few.lacks_partitions) == ("change", True)
    (changed,) = plan([topic], {"t": Existing(3, 3, same | {"retention.ms": "5"})})
    assert [(s.name, s.old, s.new) for s in changed.settings] == [("retention.ms", "5", "10")]
    (copies,) = plan([topic], {"t": Existing(3, 1, same)})
    assert (copies.action, copies.has_other_copies) == ("change", True)
