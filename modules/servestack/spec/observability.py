"""What a model tells of itself: events to Kafka, metrics, objectives, alerts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from servestack.spec.base import Boolean, HttpUrl, Integer, Number, SpecModel
from servestack.spec.patterns import described
from servestack.spec.quantities import Memory, MessageSize
from servestack_contract.settings import Redaction, WhenFull

TOPIC_PART = described(
    r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,99}$", "part of a topic's name: letters, digits, '.', '_', '-'"
)

TopicPart = Annotated[str, StringConstraints(pattern=TOPIC_PART)]
"""Part of a Kafka topic's name (letters, digits, `.`, `_`, `-`)."""


class PredictionLog(SpecModel):
    """One event for each answered prediction."""

    sample: Number = Field(
        default=1.0, gt=0, le=1, description="Share of the requests that are logged, by request id."
    )
    inputs: Boolean = Field(default=True, description="Log the rows that were sent.")
    outputs: Boolean = Field(default=True, description="Log what the model answered.")
    redact: dict[str, Redaction] = Field(
        default={},
        description="Columns that must not reach the disk as they are: left out, or hashed.",
        examples=[{"email": "hash"}],
    )


class Logging(SpecModel):
    """Events written by the server and shipped to Kafka by Filebeat."""

    predictions: PredictionLog | None = Field(
        default=PredictionLog(), description="Prediction events; null for none."
    )
    feedback: Boolean = Field(default=True, description="Accept and ship POST …/feedback.")
    access: Boolean = Field(default=False, description="Ship an event for each HTTP request.")
    custom: Boolean = Field(
        default=False, description="Ship the events that the model's own code emits."
    )
    topic_prefix: TopicPart | None = Field(
        default=None, description="First part of the topics. Left out: the environment's."
    )
    max_event: MessageSize = Field(
        default="1Mi", description="Largest event; of a larger one inputs and outputs are cut."
    )
    disk_budget: Memory = Field(
        default="256Mi", description="Disk for events that Kafka has not taken yet."
    )
    when_full: WhenFull = Field(
        default="drop",
        description="With the budget used up: drop and count events, or take no more requests.",
    )


class LatencyObjective(SpecModel):
    """`percentile` of the requests are answered within `milliseconds`."""

    percentile: Number = Field(ge=50, le=99.99, description="Share of the requests, in percent.")
    milliseconds: Number = Field(gt=0, le=600_000, description="Threshold, in milliseconds.")


class Slo(SpecModel):
    """Service level objectives over 30 days."""

    availability: Number = Field(
        default=99.9, ge=90, le=99.999, description="Requests without a server error, in percent."
    )
    latency: LatencyObjective | None = Field(
        default=None, description="How fast requests are answered; left out: no objective."
    )


class Monitoring(SpecModel):
    """Scraping, alerts and dashboard."""

    slo: Slo | None = Field(default=Slo(), description="Objectives, with burn-rate alerts.")
    alerts: Boolean = Field(default=True, description="Render alert rules.")
    dashboard: Boolean = Field(default=True, description="Render a Grafana dashboard.")
    drift: Boolean = Field(default=False, description="Count inputs per bucket for drift alerts.")
    runbook: HttpUrl | None = Field(default=None, description="Page that alerts link to.")
    scrape_interval_seconds: Integer = Field(
        default=15, ge=5, le=120, description="How often Prometheus asks."
    )
