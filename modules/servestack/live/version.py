"""The oldest Kubernetes that runs what servestack renders."""

from __future__ import annotations

import re

from servestack.errors import ClusterError, Problem
from servestack.live.client import Cluster

MINIMUM = (1, 30)
"""From 1.30 on a preStop hook can sleep, which keeps a rollout from losing requests (KEP-3960)."""


def require_version(cluster: Cluster) -> None:
    """Raises ClusterError if the cluster is older than MINIMUM.

    A cluster that does not tell its version passes: what is asked of it next reports why.
    """
    try:
        told = cluster.version()
    except ClusterError:
        return
    # A managed cluster calls its minor version `30+`.
    found = [re.match(r"\d+", str(told.get(part, ""))) for part in ("major", "minor")]
    numbers = tuple(int(number[0]) for number in found if number)
    if len(numbers) == len(MINIMUM) and numbers < MINIMUM:
        message = f"the cluster runs Kubernetes {_text(numbers)}, which is too old"
        hint = f"servestack needs {_text(MINIMUM)} or newer: upgrade the cluster"
        raise ClusterError(Problem("SRV539", message, hint=hint))


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
