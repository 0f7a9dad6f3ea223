"""`servestack diff --live`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servestack.cli.cluster import kubeconfig_path
from servestack.cli.output import say_problems
from servestack.cli.review_commands import write_review
from servestack.live.client import Cluster
from servestack.live.compare import review_live
from servestack.live.kubeconfig import load_configuration
from servestack.project import build_environment, chosen_environments


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Where the cluster is; None leaves it to the environment."""

    kubeconfig: Path | None
    context: str | None


def diff_live(root: Path, names: list[str] | None, options: LiveOptions, output: str) -> int:
    """Print a review of each environment against its cluster; 2 where something differs.

    Where some objects cannot be compared, the others are, and the exit code is 1.
    """
    changed = failed = False
    for name in chosen_environments(root, names):
        built = build_environment(root, name)
        settings = built.environment.cluster
        context = options.context or settings.context
        kubeconfig = (
            kubeconfig_path(root, settings)
            if options.kubeconfig is None
            else str(options.kubeconfig)
        )
        cluster = Cluster(load_configuration(kubeconfig, context))
        result = review_live(name, context, cluster, built.environment.namespace, built.manifests)
        write_review(result, output)
        say_problems(result.problems)
        changed = changed or not result.is_empty
        failed = failed or bool(result.problems)
    if failed:
        return 1
    return 2 if changed else 0
