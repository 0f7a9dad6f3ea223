"""Whether the cluster runs what is declared: the version of each workload, and how its rollout is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from servestack.live.client import Cluster
from servestack.live.judgement import POD_HASH, judge_deployment, judge_rollout
from servestack.live.rollout import Pods, pods_of
from servestack.manifests.kinds import KINDS, Resource
from servestack.manifests.manifest import Body
from servestack.manifests.marks import ROLLOUT_API, Workload, mark_of, referenced_deployment
from servestack.secrets.search import masked_text
from servestack.words import counted

ROLLOUT = Resource(ROLLOUT_API, "Rollout", "rollouts")
_ANALYSIS_RUN = Resource(ROLLOUT_API, "AnalysisRun", "analysisruns")
_DEPLOYMENT = KINDS["apps/v1", "Deployment"]

State = Literal["missing", "outdated", "progressing", "paused", "complete", "failed"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload in the cluster, beside what is declared.

    `state`: `missing` if there is none, `outdated` if its pod template is not the declared one, else
    how its rollout is (`judgement`). `version` is that of the template, `serving` has the number of
    ready pods of each version. `kind` is what the cluster has; empty if `missing`.
    """

    wanted: Workload
    state: State
    message: str
    kind: str = ""
    version: str = ""
    reasons: tuple[str, ...] = ()
    serving: tuple[tuple[str, int], ...] = ()
    is_aborted: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the cluster runs what is declared, and nothing else."""
        return self.state == "complete" and all(
            v == self.wanted.mark.version for v, _ in self.serving
        )

    @property
    def words(self) -> str:
        """How it stands, in one line."""
        return f"{self.wanted.name}: {self.state}: {self.message}"


def serves_rollouts(cluster: Cluster) -> bool:
    """Whether the cluster has Argo's Rollouts. Raises ClusterError."""
    return cluster.serves(ROLLOUT_API, ROLLOUT.plural)


def see_workload(cluster: Cluster, wanted: Workload, *, rollouts: bool) -> Seen:
    """Look at a workload: a Rollout of its name if the cluster has one, else a Deployment.

    `rollouts` says whether the cluster knows them. Raises ClusterError.
    """
    namespace = wanted.namespace
    live = cluster.get(ROLLOUT, namespace, wanted.name) if rollouts else None
    deployment: Body | None = None
    if live is None or referenced_deployment(live):
        name = referenced_deployment(live) if live is not None else wanted.name
        deployment = cluster.get(_DEPLOYMENT, namespace, name)
    body = live or deployment
    template_of = deployment or live
    if body is None or template_of is None:
        return Seen(wanted, "missing", f"the cluster has no {wanted.kind} of this name yet")
    labels = template_of["spec"]["selector"]["matchLabels"]
    pods = pods_of(cluster, namespace, body, labels)
    serving = tuple(sorted(Counter(pods.serving).items()))
    mark = mark_of(template_of["spec"].get("template"))
    kind = ROLLOUT.name if live is not None else _DEPLOYMENT.name
    difference = mark.difference(wanted.mark)
    if not difference and wanted.kind == ROLLOUT.name and live is None:
        difference = "a Deployment instead of a Rollout"
    message = f"the cluster does not have this version yet: {difference}"
    seen = Seen(wanted, "outdated", message, kind, mark.version, serving=serving)
    if difference:
        return seen
    runs = _analysis_runs(cluster, live) if live is not None else []
    judged = judge_rollout(live, runs) if live is not None else judge_deployment(body)
    state, message = judged.state, judged.message
    if state == "complete" and (old := _old(pods, live)):
        state, message = "progressing", f"{counted(old, 'old pod')} still there"
    reasons = pods.reasons(cluster) if state != "complete" else ()
    return replace(
        seen,
        state=state,
        message=masked_text(message),
        reasons=tuple(map(masked_text, dict.fromkeys((*judged.reasons, *reasons)))),
        is_aborted=judged.is_aborted,
    )


def _old(pods: Pods, rollout: Body | None) -> int:
    """Pods of an older template of a Deployment that nobody has told to end.

    Argo keeps those of a Rollout for a while, on purpose.
    """
    if rollout is not None:
        return 0
    new = {pod["metadata"]["name"] for pod in pods.new}
    return sum(pod["metadata"]["name"] not in new and _is_alive(pod) for pod in pods.all)


def _is_alive(pod: Body) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def _analysis_runs(cluster: Cluster, rollout: Body) -> list[Body]:
    current = (rollout.get("status") or {}).get("currentPodHash")
    if not current:
        return []
    namespace = rollout["metadata"]["namespace"]
    return cluster.list(_ANALYSIS_RUN, namespace, f"{POD_HASH}={current}") or []
