"""How long `servestack events` takes for a topic, and how much memory: as NDJSON, joined, as a table.

    python -m tests.performance.bench_events [--events=1000000]

A real broker on this machine holds that many predictions, and feedback to a tenth of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.real.test_events_command import feedback, predictions, project, send
from tests.support.kafka import ADMINISTRATOR, KafkaCluster, running_kafka

_AT_ONCE = 50_000
_WAYS = (("out.ndjson",), ("joined.ndjson", "--join", "feedback"), ("out.parquet", "-o", "parquet"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    count = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as name:
        (Path(name) / "kafka").mkdir()
        with running_kafka(Path(name) / "kafka") as kafka:
            folder = project(Path(name) / "project", kafka, "big")
            kafka.create_topics("big")
            for first in range(0, count, _AT_ONCE):
                send(kafka, "big", "predictions", predictions(min(_AT_ONCE, count - first), first))
            send(kafka, "big", "feedback", [feedback(n, n % 3) for n in range(0, count, 10)])
            for file, *options in _WAYS:
                print(f"{file}: {_measured(kafka, folder, file, options)}", flush=True)


def _measured(kafka: KafkaCluster, folder: Path, file: str, options: list[str]) -> str:
    own = {
        "KAFKA_USERNAME": ADMINISTRATOR, "KAFKA_CA_FILE": str(kafka.ca),
        "KAFKA_PASSWORD": kafka.passwords[ADMINISTRATOR],
    }  # fmt: skip
    command = [sys.executable, "-m", "servestack.cli.entry", "events", "prod", "big", "--to", file]
    started = time.monotonic()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, stderr=said, env=os.environ | own
        )
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit((folder / "said").read_text())
    size = (folder / file).stat().st_size >> 20
    return (
        f"{time.monotonic() - started:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU, "
        f"{used.ru_maxrss >> 10} MiB of memory at most; {size} MiB written"
    )


if __name__ == "__main__":
    main()
