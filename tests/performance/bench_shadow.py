"""What callers feel of a shadow: p99 of the model's answers without one, and with a shadow that is
dead, blocked, or healthy.

    make bench-shadow                      5 rounds of 10 s for each: about 4 minutes
    make bench-shadow SECONDS=3 ROUNDS=1

One server on core 0 answers wrk on core 1, as fast as it can, and is told by its file which shadow it
has: the states take turns, so that they have the same quiet and the same noise of the machine. The bar
is for a shadow that is dead or blocked: p99 at most 3% above that without. A healthy one shares
core 1 with wrk here, and costs the server the CPU of sending; its figures are for information.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from serving_image.tests.support.iris import Iris, train_iris
from serving_image.tests.support.server import RunningServer, free_port, running_server
from serving_image.tests.support.shadow import copies, stand_in, traffic_to

from servestack_contract.shadow import FILE
from tests.performance.serving.process import CLIENT_CORE, SERVER_CORE
from tests.performance.serving.wrk import Figures, measure

MOST_ABOVE = 0.03
CONNECTIONS = 16
_TAKEN_SECONDS = 3.0
"""Until the server has read the file again, and the change has settled."""
STATES = ("none", "dead", "blocked", "healthy")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_shadow")
    parser.add_argument("--seconds", type=int, default=10, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        print("two cores are needed: one for the server, one for the callers", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as name:
        figures = _measured(Path(name), given.seconds, given.rounds)
    return _told(figures)


def _measured(folder: Path, seconds: int, rounds: int) -> dict[str, list[Figures]]:
    iris = train_iris(folder / "model")
    bodies = folder / "bodies"
    bodies.write_text("\n".join(json.dumps([row]) for row in iris.rows) + "\n")
    figures: dict[str, list[Figures]] = {state: [] for state in STATES}
    dead = free_port()
    with (
        stand_in(lambda connection, data: None) as blocked,
        running_server(_of_shadow(iris), folder / "shadow") as shadow,
        running_server(iris.config(), folder / "server") as server,
    ):
        os.sched_setaffinity(server.process.pid, {SERVER_CORE})
        os.sched_setaffinity(shadow.process.pid, {CLIENT_CORE})
        ports = {"dead": dead, "blocked": blocked, "healthy": shadow.port}
        url = f"{server.url}/v1/iris/predict"
        measure(url, bodies, connections=CONNECTIONS, seconds=1)
        for number in range(rounds):
            # Another order in each round: no state is always the one after another.
            for state in STATES[number % 4 :] + STATES[: number % 4]:
                _switch(folder / "server", ports.get(state))
                figures[state].append(
                    measure(url, bodies, connections=CONNECTIONS, seconds=seconds)
                )
        _print_counts(server)
    return figures


def _of_shadow(iris: Iris) -> dict[str, object]:
    return iris.config(name="iris-shadow")


def _switch(folder: Path, port: int | None) -> None:
    if port is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        traffic_to(port, folder, timeoutSeconds=1)
    time.sleep(_TAKEN_SECONDS)


def _print_counts(server: RunningServer) -> None:
    ended = {key: count for key, count in copies(server).items() if count}
    print("copies: " + ", ".join(f"{count} {' '.join(key)}" for key, count in ended.items()))


def _told(figures: dict[str, list[Figures]]) -> int:
    without = figures["none"]
    missed = 0
    for state in STATES:
        p99 = statistics.median(one.p99_ms for one in figures[state])
        rate = statistics.median(one.requests_per_second for one in figures[state])
        # Round by round: a machine that is slow for a while is so for all states.
        above = statistics.median(
            one.p99_ms / other.p99_ms - 1
            for one, other in zip(figures[state], without, strict=True)
        )
        is_bound = state in ("dead", "blocked")
        bar = f" (bar +{MOST_ABOVE:.0%})" if is_bound else ""
        print(f"{state:8} p99 {p99:6.2f} ms {above:+7.1%}{bar}   {rate:,.0f} requests/s")
        missed += is_bound and above > MOST_ABOVE
        missed += any(one.failures for one in figures[state])
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
