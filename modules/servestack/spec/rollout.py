"""Rollout of a new version, and startup and shutdown of a pod."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from servestack.spec.base import Integer, Percent, SpecModel
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


class Rollout(SpecModel):
    """Rollout of a new version."""

    strategy: Literal["rolling", "canary"] = Field(
        default="rolling",
        description="`rolling` replaces pod by pod, `canary` shifts the traffic in steps. A canary "
        "needs a rollout controller in the cluster; without one the Deployment rolls.",
    )
    steps: tuple[Percent, ...] = Field(
        default=(), description="Shares of the traffic in a canary, in percent, rising to 100."
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
