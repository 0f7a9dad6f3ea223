"""The cluster of an environment, for commands that look at it."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import ClusterError
from servestack.live.client import Cluster
from servestack.live.kubeconfig import load_configuration
from servestack.spec.environment import Cluster as ClusterSettings
from servestack.spec.environment import Environment


def open_cluster(root: Path, environment: Environment) -> Cluster | None:
    """The environment's cluster; None where its kubeconfig cannot be used, which Pulumi reports."""
    settings = environment.cluster
    try:
        return Cluster(load_configuration(kubeconfig_path(root, settings), settings.context))
    except ClusterError:
        return None


def kubeconfig_path(root: Path, settings: ClusterSettings) -> str | None:
    """The environment's kubeconfig, which is relative to the project; None for the user's own."""
    if settings.kubeconfig is None:
        return None
    return str(root / Path(settings.kubeconfig).expanduser())
