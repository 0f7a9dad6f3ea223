"""The controller that carries out canaries and blue-green rollouts: an environment's `rollouts`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from servestack.spec.base import HttpUrl, SpecModel
from servestack.spec.faults import Fault

if TYPE_CHECKING:
    from servestack.spec.environment import Environment


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


def rollouts_faults(environment: Environment) -> Iterator[Fault]:
    """Yield every fault of `rollouts`, and between it and the other sections."""
    rollouts = environment.rollouts
    if rollouts is None:
        return
    if environment.prometheus is None:
        yield Fault(
            "SRV246",
            ("rollouts",),
            "needs prometheus: without metrics nobody can tell a good version from a bad one",
            "add a section prometheus, so that the pods are scraped",
            (("prometheus",),),
        )
    ingress = environment.ingress
    if rollouts.router == "nginx" and (ingress is None or ingress.kind != "ingress"):
        yield Fault(
            "SRV247",
            ("rollouts", "router"),
            "nginx gives out the requests to an Ingress, and this environment renders none",
            "write ingress: {kind: ingress, …}, or remove router: a share is then a share of the pods",
            (("ingress",),),
        )
