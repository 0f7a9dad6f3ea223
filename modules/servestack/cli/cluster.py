"""Opens the cluster of an environment, for commands that read from it."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import ClusterError
from servestack.live.client import Cluster
from servestack.live.kubeconfig import load_configuration
from servestack.spec.environment import Cluster as ClusterSettings
from servestack.spec.environment import Environment


def open_cluster(root: Path, environment: Environment) -> Cluster | None:
    """Return the environment's cluster, or None if its kubeconfig cannot be used.

    Pulumi reports a kubeconfig that cannot be used, so this is not an error here.
    """
    settings = environment.cluster
    try:
        return Cluster(load_configuration(kubeconfig_path(root, settings), settings.context))
    except ClusterError:
        return None


def kubeconfig_path(root: Path, settings: ClusterSettings) -> str | None:
    """Return the path of the environment's kubeconfig, or None for the user's own.

    A path in the environment is relative to the project.
    """
    if settings.kubeconfig is None:
        return None
    return str(root / Path(settings.kubeconfig).expanduser())
