"""The fault table: each fault several times, and what Kafka says afterwards.

make faults                        each fault of processes ten times
make faults N=3 ROWS=server-killed,away-drop
make faults CLUSTER=1 ROWS=oom     the faults of a whole cluster (tests/cluster/test_faults.py)
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from serving_image.tests.support.iris import train_iris

from tests.faults.process_faults import FAULTS
from tests.faults.runs import Result, run_all
from tests.faults.table import plain, print_table
from tests.support.kafka import running_kafka


def main() -> int:
    names = [row.name for fault in FAULTS for row in fault.rows]
    parser = argparse.ArgumentParser(prog="faults", epilog=f"rows: {', '.join(names)}")
    parser.add_argument("--runs", type=int, default=10, help="how often each fault is tried")
    parser.add_argument("--rows", help="names of rows, with commas; all without")
    parser.add_argument("--short", action="store_true", help="faults that last as short as in CI")
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    given = parser.parse_args()
    wanted = set(given.rows.split(",")) if given.rows else set(names)
    if unknown := wanted - set(names):
        parser.error(f"no rows: {', '.join(sorted(unknown))}")
    faults = [fault for fault in FAULTS if wanted & {row.name for row in fault.rows}]
    console = Console(width=max(Console().width, 160))

    def tell(result: Result) -> None:
        words = "; ".join(result.problems) or "ok"
        print(f"{result.row.name}: {words}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="servestack-faults-") as name:
        folder = Path(name)
        iris = train_iris(folder / "model")
        (folder / "kafka").mkdir()
        with running_kafka(folder / "kafka", brokers=3) as kafka:
            results = run_all(
                faults, given.runs, kafka, iris, folder / "runs", short=given.short, tell=tell
            )
    print_table(results, console)
    if given.json:
        given.json.write_text(json.dumps(plain(results), indent=1) + "\n")
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
