"""An experiment: which of several variants does better, by the feedback to their answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import DnsLabel, Integer, Number, SpecModel, Text
from servestack.spec.patterns import described

_FIELD = r"feedback(\.[A-Za-z_][A-Za-z0-9_-]*)*"
METRIC = described(rf"^{_FIELD}$", "feedback.<field>, such as feedback.clicked")
GUARDRAIL_METRIC = described(rf"^(latency|errors|{_FIELD})$", "latency, errors or feedback.<field>")
START = described(
    r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$", "a date, or a time in UTC such as 2026-12-01T10:00Z"
)

Better = Literal["higher", "lower"]
MissingFeedback = Literal["leaveOut", "zero"]


class Guardrail(SpecModel):
    """What must not get worse, whatever the metric says."""

    metric: Annotated[str, StringConstraints(pattern=GUARDRAIL_METRIC, max_length=200)] = Field(
        description="`latency` (in milliseconds), `errors` (share of requests, which needs "
        "`logging.access`), or `feedback.<field>`."
    )
    worse_than: Annotated[Number, Field(gt=0)] = Field(
        description="Difference to the control, in the metric's unit, that breaks the guardrail."
    )
    better: Better = Field(default="lower", description="Which values are better.")


class ExperimentVariant(SpecModel):
    """A variant in pods of its own: which of the logged predictions are its."""

    service: DnsLabel | None = Field(
        default=None, description="Model whose predictions are meant. Default: this one."
    )
    version: Text | None = Field(default=None, description="Version of the model. Default: any.")
    rollout: Literal["stable", "canary"] | None = Field(
        default=None, description="Side of the rollout. Default: both."
    )
    share: Annotated[Number, Field(gt=0, lt=100)] = Field(
        description="Share of the requests, or of the values of stickyBy, in percent."
    )


class Experiment(SpecModel):
    """Compares variants by the feedback to their answers: `servestack experiment` has the verdict."""

    metric: Annotated[str, StringConstraints(pattern=METRIC, max_length=200)] = Field(
        description="What is compared: a number, or true or false, in the feedback.",
        examples=["feedback.clicked"],
    )
    better: Better = Field(default="higher", description="Which values of the metric are better.")
    minimum_effect: Annotated[Number, Field(gt=0)] = Field(
        description="Smallest difference of the means that is worth knowing, in the metric's unit."
    )
    variants: dict[DnsLabel, ExperimentVariant] | None = Field(
        default=None,
        min_length=2,
        max_length=10,
        description="Variants in pods of their own, by name. Default: the branches of the graph's "
        "split, with their weights.",
    )
    control: DnsLabel | None = Field(
        default=None, description="Variant with which the others are compared. Default: the first."
    )
    alpha: Annotated[Number, Field(gt=0, le=0.2)] = Field(
        default=0.05,
        description="Probability of a wrong verdict on the metric that is accepted, over all looks.",
    )
    guardrails: tuple[Guardrail, ...] = Field(
        default=(), max_length=10, description="What must not get worse."
    )
    sticky_by: Text | None = Field(
        default=None,
        description="Request header or column by which callers are assigned to `variants`; its hash "
        "is logged. Default: each request by itself. A split has a `stickyBy` of its own.",
    )
    window_minutes: Integer = Field(
        default=60,
        ge=1,
        le=43_200,
        description="How long after its first request a unit's requests and their feedback count.",
    )
    missing_feedback: MissingFeedback = Field(
        default="leaveOut",
        description="A request without feedback: `leaveOut` does not know its value, `zero` takes it "
        "for 0, such as no click.",
    )
    start: Annotated[str, StringConstraints(pattern=START)] | None = Field(
        default=None,
        description="When the experiment begins. Default: with the first event that Kafka has.",
    )
