"""Canary and blue-green rollouts by Argo Rollouts on a cluster, good versions and bad ones.

    make bench-rollouts             10 good canaries, 10 bad ones, 10 blue-green switches: an hour
    make bench-rollouts ROUNDS=2

Argo Rollouts is a process of this machine, Traefik the router, by the canary annotations of
ingress-nginx. Files are rendered and applied by `kubectl apply --server-side` without force. Exit code
1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.cluster.clusters import NoClusterError, running_cluster
from tests.cluster.deployment import Deployment, make_project
from tests.cluster.rollouts.stage import answers, apply_files, running_stage
from tests.cluster.rollouts.trial import WEIGHT, Round, run_rounds
from tests.cluster.rollouts.versions import register_bad_versions
from tests.support.kafka import running_kafka
from tests.support.kubernetes_client import KubernetesClient
from tests.support.mlflow_server import register_iris, running_mlflow

MOST_SECONDS, MOST_SWITCH_SECONDS, MOST_POINTS = 90.0, 2.0, 2.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_rollouts")
    parser.add_argument("--rounds", type=int, default=10, help="of each")
    rounds: int = parser.parse_args().rounds
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="servestack-rollouts-") as folder:
        try:
            with _stage(Path(folder)) as deployment:
                done = list(run_rounds(deployment, rounds, tell))
                deployment.wait("the events in Kafka", lambda: not deployment.without_event())
                lost = len(deployment.without_event())
        except NoClusterError as error:
            print(error, file=sys.stderr)
            return 1
    missed = _report(done, lost)
    return 1 if missed else 0


@contextmanager
def _stage(folder: Path) -> Iterator[Deployment]:
    from tools.images.build import build, obstacle
    from tools.images.catalogue import filebeat, serving

    reason = obstacle()
    if reason is not None:
        raise NoClusterError(reason)
    for name in ("cluster", "mlflow", "kafka", "project", "stage"):
        (folder / name).mkdir()
    archives = [build(serving()), build(filebeat())]
    with running_cluster("kind", folder / "cluster") as cluster:
        for archive in archives:
            cluster.load_image(archive)
        with (
            running_mlflow(folder / "mlflow", cluster.host) as registry,
            running_kafka(folder / "kafka", cluster.host) as kafka,
        ):
            kafka.create_topics("iris")
            register_iris(registry.uri, regularization=1000)
            register_iris(registry.uri)
            register_bad_versions(registry.uri, folder / "stage")
            client = KubernetesClient.from_kubeconfig(cluster.kubeconfig, cluster.context)
            environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
            root = folder / "project"
            make_project(root, cluster, registry.uri, kafka)
            deployment = Deployment(root, cluster, registry.uri, client, environment, kafka)
            with running_stage(deployment, folder / "stage"):
                apply_files(deployment)
                deployment.wait("an answer", lambda: answers(deployment), 180)
                yield deployment


def _report(done: Sequence[Round], lost: int) -> list[str]:
    """Print the table, and return what missed its bar."""
    table = Table("version", "rounds", "verdict", "failed", "seconds", "share seen", box=None)
    missed = [f"{lost} answered requests have no event in Kafka"] if lost else []
    for kind in dict.fromkeys(one.kind for one in done):
        of_kind = [one for one in done if one.kind == kind]
        seconds = [one.seconds for one in of_kind if one.seconds is not None]
        shares = [one.share for one in of_kind if one.share is not None]
        table.add_row(
            kind, str(len(of_kind)), ", ".join(sorted({one.verdict for one in of_kind})),
            f"{sum(one.failed for one in of_kind):,} of {sum(one.asked for one in of_kind):,}",
            f"{max(seconds):.1f} at most" if seconds else "",
            f"{min(shares):.1f} to {max(shares):.1f}%" if shares else "",
        )  # fmt: skip
        missed += [problem for one in of_kind for problem in _problems(one)]
    Console(width=120).print(table)
    for problem in missed:
        print(f"missed: {problem}")
    return missed


def _problems(one: Round) -> Iterator[str]:
    is_good = "good" in one.kind
    if one.verdict != ("Healthy" if is_good else "Degraded"):
        yield f"{one.kind}: ended as {one.verdict}"
    if one.failed and one.kind not in ("errors", "blueGreen, errors"):
        yield f"{one.kind}: {one.failed} requests failed, such as {one.others[:1]}"
    most = MOST_SWITCH_SECONDS if one.kind.startswith("blueGreen") else MOST_SECONDS
    if one.seconds is not None and one.seconds > most:
        yield f"{one.kind}: took {one.seconds:.1f} s (bar {most:g} s)"
    if one.share is not None and (one.seen < 2000 or abs(one.share - WEIGHT) > MOST_POINTS):
        yield f"{one.kind}: a share of {one.share:.1f}% of {one.seen} requests (bar {WEIGHT} ± {MOST_POINTS:g})"
    if not is_good and not one.reason:
        yield f"{one.kind}: no reason is told"


if __name__ == "__main__":
    raise SystemExit(main())
