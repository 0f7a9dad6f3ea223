"""How a new version replaces the old one, and how a pod goes away."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servestack.spec.base import Integer, Percent, SpecModel


class Rollout(SpecModel):
    """How a new version takes over."""

    strategy: Literal["rolling", "canary"] = Field(
        default="rolling",
        description="Pod by pod, or by shares of the traffic. Canary is declared here and carried "
        "out by a rollout runner; without one the Deployment rolls.",
    )
    steps: tuple[Percent, ...] = Field(
        default=(), description="Shares of the traffic in percent, rising to 100, for a canary."
    )
    min_ready_seconds: Integer = Field(
        default=10, ge=0, le=3600, description="Time a new pod must stay ready before the next."
    )
    progress_deadline_seconds: Integer = Field(
        default=600,
        ge=30,
        le=7200,
        description="Time after which a stuck rollout counts as failed.",
    )


class Startup(SpecModel):
    """What a starting pod is given."""

    timeout_seconds: Integer = Field(
        default=300, ge=10, le=7200, description="Time to load the model and warm up."
    )


class Shutdown(SpecModel):
    """The time a pod is given to go away without losing a request or an event."""

    drain_seconds: Integer = Field(
        default=10, ge=0, le=300, description="Time for load balancers to stop sending requests."
    )
    request_seconds: Integer = Field(
        default=30, ge=1, le=3600, description="Time for requests that are being worked on."
    )
    log_drain_seconds: Integer = Field(
        default=20, ge=0, le=600, description="Time for Filebeat to ship what is on disk."
    )
