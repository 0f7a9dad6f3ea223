"""Turns what brokers say about one topic into a problem for the user."""

from __future__ import annotations

from typing import Any

from servestack.errors import Problem


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
