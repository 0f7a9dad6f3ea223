"""The controller that carries out canaries and blue-green rollouts: an environment's `rollouts`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servestack.spec.base import HttpUrl, SpecModel


class Rollouts(SpecModel):
    """The controller for models with `rollout.strategy: canary` or `blueGreen`."""

    engine: Literal["argo"] = Field(
        description="The controller: `argo` is Argo Rollouts 1.8 or newer, whose custom resources the "
        "cluster must have."
    )
    prometheus_address: HttpUrl = Field(
        description="Address of Prometheus' API as the controller reaches it, or of what speaks the "
        "same. It is asked whether a new version is worse than the stable one.",
        examples=["http://prometheus.monitoring.svc:9090"],
    )
    router: Literal["nginx"] | None = Field(
        default=None,
        description="What gives a canary its share of the requests from outside. `nginx`: an ingress "
        "controller that reads the canary annotations of ingress-nginx, such as ingress-nginx itself "
        "or Traefik 3.7 with its provider kubernetesIngressNGINX. Default: nothing, so that a share is "
        "a share of the pods.",
    )
