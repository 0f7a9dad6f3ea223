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
from servestack.live.version import require_version
from servestack.project import build_environment, chosen_environments


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The cluster to compare with. None means the environment's."""

    kubeconfig: Path | None
    context: str | None


def diff_live(root: Path, names: list[str] | None, options: LiveOptions, output: str) -> int:
    """Print a review of each environment against its cluster, and return the exit code.

    The exit code is 0 without differences and 2 with differences. It is 1 if some objects could not
    be compared; the others still are.
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
        require_version(cluster)
        result = review_live(name, context, cluster, built.environment.namespace, built.manifests)
        write_review(result, output)
        say_problems(result.problems)
        changed = changed or not result.is_empty
        failed = failed or bool(result.problems)
    if failed:
        return 1
    return 2 if changed else 0
