"""Rollout of a new version, and startup and shutdown of a pod."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from servestack.spec.base import Boolean, Integer, Number, Percent, SpecModel
from servestack.spec.patterns import described

POD_PERCENT = described(r"^(100|[0-9]{1,2})%$", "a share of the pods, such as 25%")


def _read_count(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000:
        return value
    if isinstance(value, str) and re.fullmatch(r"(100|\d{1,2})%", value, re.ASCII):
        return value
    raise PydanticCustomError(
        "pod_count",
        "{value} is not a number of pods",
        {"value": repr(value), "hint": "write a count such as 1, or a share such as 25%"},
    )


PodCount = Annotated[
    int | str,
    BeforeValidator(_read_count),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 1000},
                {"type": "string", "pattern": POD_PERCENT},
            ]
        }
    ),
]
"""A number of pods, or a share of them such as `25%`."""


Minutes = Annotated[Number, Field(ge=0, le=7 * 24 * 60)]


class Step(SpecModel):
    """A step of a canary: a share of the traffic, and what must happen before the next one."""

    weight: Percent = Field(description="Share of the traffic for the new version, in percent.")
    minutes: Minutes | None = Field(
        default=None,
        description="Time at this share, in minutes. Default: 5; at 100%, bakeMinutes.",
    )
    requests: Annotated[Integer, Field(ge=0, le=10_000_000)] | None = Field(
        default=None,
        description="Fewest requests that the new version must have answered in all before the next "
        "step. Default: checks.minimumRequests.",
    )


CanaryStep = Annotated[
    Annotated[Percent, Tag("weight")] | Annotated[Step, Tag("step")],
    Discriminator(lambda value: "step" if isinstance(value, (dict, Step)) else "weight"),
]
"""A step, or its weight alone."""
_DEFAULT_STEPS = (5, 25, 50, 100)


class Checks(SpecModel):
    """What ends the rollout of a new version: it is surely worse than monitoring.slo allows, and
    surely worse than the stable version.
    """

    errors: Boolean = Field(
        default=True,
        description="Compare the share of server errors with the stable version's, and with what "
        "monitoring.slo.availability allows.",
    )
    latency: Boolean = Field(
        default=True,
        description="Compare the share of slow requests with the stable version's. Slow is more than "
        "monitoring.slo.latency; without one, slower than 95% of the stable version's.",
    )
    minimum_requests: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        default=100,
        description="Fewest requests of the new version for a verdict. With fewer the rollout waits.",
    )
    wait_minutes: Annotated[Number, Field(gt=0, le=7 * 24 * 60)] = Field(
        default=60,
        description="How long a step waits for its requests before the new version is given up, in "
        "minutes: a version that nobody asked has not been tried.",
    )


class Rollout(SpecModel):
    """Rollout of a new version."""

    strategy: Literal["rolling", "canary", "blueGreen"] = Field(
        default="rolling",
        description="`rolling` replaces pod by pod. `canary` gives the new version a growing share of "
        "the traffic, `blueGreen` all of it at once, with the old pods kept for the way back; both "
        "end when the new version is worse, and need `rollouts` in the environment.",
    )
    steps: tuple[CanaryStep, ...] = Field(
        default=(),
        description="Steps of a canary: shares of the traffic in percent, rising to 100. Default: "
        "[5, 25, 50, 100].",
        examples=[[10, 50, 100], [{"weight": 5, "minutes": 30, "requests": 1000}, 100]],
    )
    bake_minutes: Minutes = Field(
        default=10,
        description="Time for which the new version has all of the traffic and is still checked, "
        "before the old pods go, in minutes. For canary and blueGreen.",
    )
    checks: Checks = Field(
        default=Checks.model_construct(),
        description="What ends the rollout of a new version. For canary and blueGreen.",
    )
    min_ready_seconds: Integer = Field(
        default=10,
        ge=0,
        le=3600,
        description="Time that a new pod must stay ready before the next one, in seconds.",
    )
    progress_deadline_seconds: Integer = Field(
        default=600,
        ge=30,
        le=7200,
        description="Time after which a rollout without progress counts as failed, in seconds.",
    )
    max_surge: PodCount = Field(
        default=1,
        description="Pods that a rollout may start beyond the count: a number, or a share that is "
        "rounded up. 0 where there is no room for another pod, as on GPU nodes.",
        examples=[0, "25%"],
    )
    max_unavailable: PodCount = Field(
        default=0,
        description="Pods that a rollout may stop before new ones are ready: a number, or a share that "
        "is rounded down.",
        examples=[1, "25%"],
    )

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of a canary, those of a bare weight as well; the default ones if none are given."""
        return tuple(
            step if isinstance(step, Step) else Step(weight=step)
            for step in self.steps or _DEFAULT_STEPS
        )


class Startup(SpecModel):
    """Startup of a pod."""

    timeout_seconds: Integer = Field(
        default=300,
        ge=10,
        le=7200,
        description="Maximum time to load the model and warm up, in seconds.",
    )


class Shutdown(SpecModel):
    """Shutdown of a pod without losing a request or an event."""

    drain_seconds: Integer = Field(
        default=10, ge=0, le=300, description="Wait for load balancers to stop sending, in seconds."
    )
    request_seconds: Integer = Field(
        default=30, ge=1, le=3600, description="Maximum time for requests in flight, in seconds."
    )
    log_drain_seconds: Integer = Field(
        default=20,
        ge=0,
        le=600,
        description="Maximum time for Filebeat to ship events, in seconds.",
    )
