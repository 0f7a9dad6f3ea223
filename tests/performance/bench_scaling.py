"""Autoscaling on requests in flight, by prometheus-adapter and by KEDA, on a cluster under load.

    make bench-scaling             10 minutes of steady load before and after the step: half an hour
    make bench-scaling MINUTES=2

A cluster of two nodes has the Prometheus operator with a Prometheus 3, both engines, and one model
twice: in an environment of each engine, as servestack renders it. The model waits, so that two cores
suffice. Callers come by chance (Poisson) through the ingress, to both at once. Exit code 1 when a bar
is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.cluster.clusters import NoClusterError, running_cluster
from tests.cluster.deployment import Deployment
from tests.cluster.prometheus_operator import running_operator, start_prometheus
from tests.cluster.scaling.engines import running_engines
from tests.cluster.scaling.project import (
    MODEL,
    applied,
    make_scaling_project,
    register_waiting,
)
from tests.cluster.scaling.trial import ANSWER_SECONDS, RATE, TIMES, Outcome, run_trial
from tests.support.kafka import running_kafka
from tests.support.mlflow_server import running_mlflow

MOST_SECONDS = 30.0
"""From the step until the first further pod is there."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_scaling")
    parser.add_argument("--minutes", type=float, default=10, help="steady load before and after")
    minutes: float = parser.parse_args().minutes
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="servestack-scaling-") as folder:
        try:
            with _stage(Path(folder)) as deployment:
                missed = _report(run_trial(deployment, minutes * 60, tell), minutes)
        except NoClusterError as error:
            print(error, file=sys.stderr)
            return 1
    return 1 if missed else 0


@contextmanager
def _stage(folder: Path) -> Iterator[Deployment]:
    from tools.images.build import build, obstacle
    from tools.images.catalogue import filebeat, serving

    reason = obstacle()
    if reason is not None:
        raise NoClusterError(reason)
    for name in ("cluster", "mlflow", "kafka", "project"):
        (folder / name).mkdir()
    archives = [build(serving()), build(filebeat())]
    with running_cluster("kind", folder / "cluster") as cluster:
        for archive in archives:
            cluster.load_image(archive)
        with (
            running_mlflow(folder / "mlflow", cluster.host) as registry,
            running_kafka(folder / "kafka", cluster.host) as kafka,
        ):
            register_waiting(registry.uri, folder)
            kafka.create_topics(MODEL)
            deployment = make_scaling_project(folder / "project", cluster, registry, kafka)
            with running_operator(deployment):
                start_prometheus(deployment)
                with running_engines(deployment), applied(deployment):
                    yield deployment


def _report(outcomes: Sequence[Outcome], minutes: float) -> list[str]:
    """Print the table, and return what missed its bar."""
    table = Table("figure", *(o.engine.name for o in outcomes), "bar", box=None, pad_edge=False)
    missed = []
    for title, bar, figures in _rows(outcomes, minutes):
        table.add_row(title, *(text for text, _ in figures), bar)
        missed += [
            f"{o.engine.name}: {title}: {text} (bar {bar})"
            for o, (text, is_met) in zip(outcomes, figures, strict=True)
            if not is_met
        ]
    print(
        f"{TIMES}x is {TIMES * RATE:.0f} requests a second to each; it counts as steady again "
        f"{ANSWER_SECONDS} s after the step"
    )
    Console(width=120).print(table)
    for outcome in outcomes:
        for request in outcome.failed[:5]:
            print(
                f"{outcome.engine.name}: {request.sent - outcome.times.step:+.1f} s: {request.error}"
            )
    for problem in missed:
        print(f"missed: {problem}")
    sys.stdout.flush()  # Before all is taken down, which takes a minute.
    return missed


Row = tuple[str, str, list[tuple[str, bool]]]


def _rows(outcomes: Sequence[Outcome], minutes: float) -> list[Row]:
    times = outcomes[0].times
    steady = f"{minutes:g} min"

    def row(title: str, bar: str, figures: list[tuple[str, bool]]) -> Row:
        return title, bar, figures

    def text(values: Sequence[object]) -> list[tuple[str, bool]]:
        return [(str(value), True) for value in values]

    def none(counts: Sequence[int]) -> list[tuple[str, bool]]:
        return [(f"{count:,}", count == 0) for count in counts]

    spans = ((times.steady, times.step), (times.steady_again, times.end))
    flights = [[f"{o.in_flight(*span):.2f}" for o in outcomes] for span in spans]
    pods = [[o.watch.replicas.at(moment) for o in outcomes] for moment in (times.step, times.end)]
    changes = [[o.scale_events()[i] for o in outcomes] for i in (0, 1)]
    firsts = [min(o.created_after(), default=float("inf")) for o in outcomes]
    return [
        row("in flight at 1x, mean", "", text(flights[0])),
        row("pods at 1x", "", text(pods[0])),
        row(f"scale events in {steady} at 1x", "0", none(changes[0])),
        row("step: the autoscaler wants more, s", "", text([_s(o.desired_after()) for o in outcomes])),
        row(
            "step: first pods created, s",
            f"<= {MOST_SECONDS:.0f}",
            [(_s(first), first <= MOST_SECONDS) for first in firsts],
        ),
        row("step: all pods created, s", "", text([_s(max(o.created_after(), default=None)) for o in outcomes])),
        row("step: first pods ready, s", "", text([_s(min(o.ready_after(), default=None)) for o in outcomes])),
        row("step: all pods ready, s", "", text([_s(max(o.ready_after(), default=None)) for o in outcomes])),
        row("in flight at 5x, mean", "", text(flights[1])),
        row("pods at 5x", "", text(pods[1])),
        row(f"scale events in {steady} at 5x", "0", none(changes[1])),
        row("pods removed, at any time", "0", none([o.turns() for o in outcomes])),
        row("changes seen / told by the autoscaler", "", text([
            f"{len(o.watch.replicas.changes) - 1} / {o.rescales}" for o in outcomes
        ])),
        row("requests sent", "", text([f"{len(o.requests):,}" for o in outcomes])),
        row("slowest answer, s", "", text([f"{max(r.seconds for r in o.requests):.1f}" for o in outcomes])),
        row("not answered 200", "0", none([len(o.failed) for o in outcomes])),
        row("answered, and no event in Kafka", "0", none([o.without_event for o in outcomes])),
        row("sent late by the callers", "0", none([o.late for o in outcomes])),
    ]  # fmt: skip


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f}"


if __name__ == "__main__":
    sys.exit(main())
