"""Events, metrics, objectives and alerts of a model."""

from typing import Annotated

from pydantic import Discriminator, Field, StringConstraints, Tag

from servestack.spec.base import Boolean, HttpUrl, Integer, Number, SpecModel, Text
from servestack.spec.patterns import described
from servestack.spec.quantities import Memory, MessageSize
from servestack_contract.drift import MINIMUM_ROWS, PSI_FLOOR
from servestack_contract.profile import MAX_COLUMNS
from servestack_contract.settings import Durability, LogFormat, LogLevel, Redaction, WhenFull

TOPIC_PART = described(
    r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,99}$", "part of a topic's name: letters, digits, '.', '_', '-'"
)

TopicPart = Annotated[str, StringConstraints(pattern=TOPIC_PART)]
"""Part of a Kafka topic's name (letters, digits, `.`, `_`, `-`)."""


class PredictionLog(SpecModel):
    """One event for each answered prediction."""

    sample: Number = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of requests that are logged, up to 1; the request id decides.",
    )
    inputs: Boolean = Field(default=True, description="Log the rows of the request.")
    outputs: Boolean = Field(default=True, description="Log the answer of the model.")
    redact: dict[str, Redaction] = Field(
        default={},
        description="Columns, tensors and params to redact before they reach the disk: `drop` "
        "removes the value, `hash` hashes it.",
        examples=[{"email": "hash"}],
    )


class Logging(SpecModel):
    """Events written by the server and shipped to Kafka by Filebeat, and the server's own log."""

    predictions: PredictionLog | None = Field(
        default=PredictionLog.model_construct(),
        description="Prediction events; null turns them off.",
    )
    feedback: Boolean = Field(default=True, description="Accept POST …/feedback and ship it.")
    access: Boolean = Field(default=False, description="Ship an event for each HTTP request.")
    custom: Boolean = Field(
        default=False, description="Ship the events that the model's own code emits."
    )
    topic_prefix: TopicPart | None = Field(
        default=None, description="First part of topic names. Default: the environment's."
    )
    max_event: MessageSize = Field(
        default="1Mi",
        description="Maximum size of an event. A larger one loses its inputs, then its outputs.",
    )
    disk_budget: Memory = Field(
        default="256Mi", description="Disk space for events that Kafka has not received yet."
    )
    when_full: WhenFull = Field(
        default="drop",
        description="What happens when the disk budget is used up: `drop` drops and counts events, "
        "`unready` accepts no more requests.",
    )
    durability: Durability = Field(
        default="process",
        description="When an event is written: `process` before its answer leaves, so that an event "
        "outlives a killed server; `buffered` up to 20 ms (50 ms on a busy machine) later, which "
        "costs less throughput.",
    )
    level: LogLevel = Field(
        default="info", description="Lowest level of the server's own log, which goes to stderr."
    )
    format: LogFormat = Field(
        default="text",
        description="Form of the server's own log: `text`, or `json` for one object per line. Errors "
        "name the request; requests that succeed are not logged there.",
    )


class LatencyObjective(SpecModel):
    """`percentile` of the requests are answered within `milliseconds`."""

    percentile: Number = Field(ge=50, le=99.99, description="Share of requests, in percent.")
    milliseconds: Number = Field(gt=0, le=600_000, description="Threshold, in milliseconds.")


class Slo(SpecModel):
    """Service level objectives over 30 days."""

    availability: Number = Field(
        default=99.9,
        ge=90,
        le=99.999,
        description="Share of requests without a server error, in percent.",
    )
    latency: LatencyObjective | None = Field(
        default=None, description="How fast requests are answered. Default: no objective."
    )


class Drift(SpecModel):
    """How inputs and predictions are compared with the model's profile, and when that is an alert."""

    psi: Number = Field(
        default=PSI_FLOOR,
        gt=0,
        le=10,
        description="Population stability index above which an alert may fire. It fires only if "
        "the rows are enough to tell drift from chance, too.",
    )
    minimum_rows: Integer = Field(
        default=MINIMUM_ROWS,
        ge=100,
        le=1_000_000,
        description="Fewest rows of a window on which an alert may fire.",
    )
    baseline_rows: Integer = Field(
        default=10_000,
        ge=500,
        le=100_000,
        description="Without a profile in the artifact: how many of the first rows that a pod "
        "answers become its reference.",
    )
    max_columns: Integer = Field(
        default=50,
        ge=1,
        le=MAX_COLUMNS,
        description="Maximum number of input columns that are watched: each has about 25 time "
        "series in a pod. The first ones are.",
    )
    rows_per_second: Integer = Field(
        default=1000,
        ge=100,
        le=1_000_000,
        description="Rows that a pod counts per second, of all its models together: this bounds the "
        "CPU that counting takes. Of more rows, an evenly spaced sample is counted.",
    )
    columns: tuple[Text, ...] | None = Field(
        default=None,
        min_length=1,
        description="Input columns to watch. Default: all, up to `maxColumns`.",
        examples=[["tenure_months", "plan"]],
    )


DriftSetting = Annotated[
    Annotated[Boolean, Tag("switch")] | Annotated[Drift, Tag("section")],
    Discriminator(lambda value: "section" if isinstance(value, (dict, Drift)) else "switch"),
]


class Monitoring(SpecModel):
    """Scraping, alerts and dashboard."""

    slo: Slo | None = Field(
        default=Slo.model_construct(),
        description="Objectives, with burn-rate alerts; null turns them off.",
    )
    alerts: Boolean = Field(default=True, description="Render alert rules.")
    dashboard: Boolean = Field(default=True, description="Render a Grafana dashboard.")
    drift: DriftSetting = Field(
        default=False,
        description="Count inputs and predictions by bucket of the model's profile, and alert on "
        "drift: `true`, or a section with thresholds.",
    )
    runbook: HttpUrl | None = Field(default=None, description="Runbook that alerts link to.")
    scrape_interval_seconds: Integer | None = Field(
        default=None,
        ge=5,
        le=120,
        description="Time between two scrapes, in seconds; with annotations the cluster's Prometheus "
        "decides it. Default: 15, and 5 in a PodMonitor of a model that scales on requests in flight.",
    )

    @property
    def watched(self) -> Drift | None:
        """How drift is watched; None if it is not."""
        if isinstance(self.drift, Drift):
            return self.drift
        return Drift.model_construct() if self.drift else None
