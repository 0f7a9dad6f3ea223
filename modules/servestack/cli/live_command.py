"""`servestack diff --live`, and the cluster that it and `handover` use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from servestack.cli.cluster import kubeconfig_path
from servestack.cli.output import say_problems
from servestack.cli.review_commands import exit_code, write_review
from servestack.live.client import Cluster
from servestack.live.compare import review_live
from servestack.live.kubeconfig import load_configuration
from servestack.live.version import require_version
from servestack.project import build_environment, chosen_environments
from servestack.spec.environment import Cluster as ClusterSettings


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The cluster to compare with. None means the environment's."""

    kubeconfig: Path | None
    context: str | None


def diff_live(
    root: Path,
    names: list[str] | None,
    options: LiveOptions,
    output: str,
    fail_on: Collection[str] = (),
) -> int:
    """Print a review of each environment against its cluster, and return the exit code.

    It is 1 if some objects could not be compared, though the others are; else that of
    `review_commands.exit_code`.
    """
    results = []
    for name in chosen_environments(root, names):
        built = build_environment(root, name)
        cluster, context = connect(root, built.environment.cluster, options)
        result = review_live(name, context, cluster, built.environment.namespace, built.manifests)
        write_review(result, output)
        say_problems(result.problems)
        results.append(result)
    if any(result.problems for result in results):
        return 1
    return exit_code(results, fail_on)


def connect(root: Path, settings: ClusterSettings, options: LiveOptions) -> tuple[Cluster, str]:
    """The cluster to use, and its context. Raises ClusterError, also for a version too old."""
    context = options.context or settings.context
    kubeconfig = (
        kubeconfig_path(root, settings) if options.kubeconfig is None else str(options.kubeconfig)
    )
    cluster = Cluster(load_configuration(kubeconfig, context))
    require_version(cluster)
    return cluster, context
