"""Rollout of a new version, and startup and shutdown of a pod."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servestack.spec.base import Integer, Percent, SpecModel


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
