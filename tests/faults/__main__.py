"""The fault table: each fault several times, and what Kafka says afterwards.

make faults                        each fault of processes ten times
make faults N=3 ROWS=server-killed,away-drop
make faults CLUSTER=1 ROWS=oom     the faults of a whole cluster (tests/cluster/test_faults.py)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from serving_image.tests.support.iris import train_iris

from tests.cluster.clusters import NoClusterError
from tests.faults.cluster_faults import CLUSTER_FAULTS
from tests.faults.cluster_stage import own_stage
from tests.faults.process_faults import FAULTS
from tests.faults.runs import Result, run_all, run_all_on
from tests.faults.table import plain, print_table
from tests.support.kafka import running_kafka

Tell = Callable[[Result], None]


def main() -> int:
    of_processes = [row.name for fault in FAULTS for row in fault.rows]
    of_clusters = [fault.row.name for fault in CLUSTER_FAULTS]
    parser = argparse.ArgumentParser(
        prog="faults",
        epilog=f"rows: {', '.join(of_processes)}; on a cluster: {', '.join(of_clusters)}",
    )
    parser.add_argument("--runs", type=int, default=10, help="how often each fault is tried")
    parser.add_argument("--rows", help="names of rows, with commas; all without")
    parser.add_argument("--short", action="store_true", help="faults that last as short as in CI")
    parser.add_argument("--cluster", action="store_true", help="the faults that a cluster has")
    parser.add_argument("--keep", type=Path, help="a new folder for logs and volumes, to look into")
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    given = parser.parse_args()
    names = of_clusters if given.cluster else of_processes
    wanted = set(given.rows.split(",")) if given.rows else set(names)
    if unknown := wanted - set(names):
        parser.error(f"no rows: {', '.join(sorted(unknown))}")
    results: list[Result] = []
    with ExitStack() as folders:
        if given.keep:
            given.keep.mkdir(parents=True)
            folder = given.keep.resolve()
        else:
            folder = Path(folders.enter_context(TemporaryDirectory(prefix="servestack-faults-")))
        try:
            run = _on_a_cluster if given.cluster else _of_processes
            run(wanted, given.runs, folder, partial(_take, results), short=given.short)
        except NoClusterError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped: the table has the runs so far", file=sys.stderr)
    print_table(results, Console(width=max(Console().width, 160)))
    if given.json:
        given.json.write_text(json.dumps(plain(results), indent=1) + "\n")
    return 1 if any(result.problems for result in results) else 0


def _of_processes(
    wanted: set[str], times: int, folder: Path, tell: Tell, *, short: bool
) -> None:  # fmt: skip
    faults = [fault for fault in FAULTS if wanted & {row.name for row in fault.rows}]
    iris = train_iris(folder / "model")
    (folder / "kafka").mkdir()
    with running_kafka(folder / "kafka", brokers=3) as kafka:
        run_all(faults, times, kafka, iris, folder / "runs", short=short, tell=tell)


def _on_a_cluster(
    wanted: set[str], times: int, folder: Path, tell: Tell, *, short: bool
) -> None:  # fmt: skip
    faults = [fault for fault in CLUSTER_FAULTS if fault.row.name in wanted]
    with own_stage(folder) as stage:
        run_all_on(stage, faults, times, tell)


def _take(results: list[Result], result: Result) -> None:
    results.append(result)
    words = "; ".join(result.problems) or (result.outcome.words if result.outcome else "")
    print(f"{result.row.name}: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
