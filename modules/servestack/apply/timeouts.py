"""How long Pulumi waits for a model's objects to become ready."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from servestack.manifests.deadlines import rollout_seconds
from servestack.manifests.manifest import Manifest


def ready_timeouts(manifests: Sequence[Manifest]) -> pulumi.CustomTimeouts | None:
    """The timeouts of one model's objects; None without a workload.

    The plugin would wait for ten minutes, whatever progressDeadlineSeconds says, and as long for
    the endpoints of a Service and the Services of an Ingress.
    """
    seconds = rollout_seconds(manifests)
    if seconds is None:
        return None
    return pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s")
