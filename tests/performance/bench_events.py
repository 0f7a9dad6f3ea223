"""How long `servestack events` takes for a topic, and how much memory: as NDJSON, joined, as a table.
The same of `servestack experiment`.

    python -m tests.performance.bench_events [--events=1000000]

A real broker on this machine holds that many predictions, and feedback to a tenth of them; for the
experiment to all of them.
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
_EXPERIMENT = {
    "metric": "feedback", "minimumEffect": 0.1,
    "variants": {"old": {"version": "4", "share": 99}, "new": {"version": "5", "share": 1}},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    count = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as name:
        (Path(name) / "kafka").mkdir()
        with running_kafka(Path(name) / "kafka") as kafka:
            folder = project(Path(name) / "project", kafka, "big", experiment=_EXPERIMENT)
            kafka.create_topics("big")
            for first in range(0, count, _AT_ONCE):
                send(kafka, "big", "predictions", predictions(min(_AT_ONCE, count - first), first))
            send(kafka, "big", "feedback", [feedback(n, n % 3) for n in range(0, count, 10)])
            for file, *options in _WAYS:
                call = ["events", "prod", "big", "--to", file, *options]
                measured = _measured(kafka, folder, call)
                written = (folder / file).stat().st_size >> 20
                print(f"{file}: {measured}; {written} MiB written", flush=True)
            for first in range(0, count, _AT_ONCE):
                numbers = [n for n in range(first, min(first + _AT_ONCE, count)) if n % 10]
                send(kafka, "big", "feedback", [feedback(n, n % 2) for n in numbers])
            print(f"experiment: {_measured(kafka, folder, ['experiment', 'prod', 'big'])}")


def _measured(kafka: KafkaCluster, folder: Path, call: list[str]) -> str:
    own = {
        "KAFKA_USERNAME": ADMINISTRATOR, "KAFKA_CA_FILE": str(kafka.ca),
        "KAFKA_PASSWORD": kafka.passwords[ADMINISTRATOR],
    }  # fmt: skip
    command = [sys.executable, "-m", "servestack.cli.entry", *call]
    started = time.monotonic()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, env=os.environ | own
        )
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit((folder / "said").read_text())
    return (
        f"{time.monotonic() - started:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU, "
        f"{used.ru_maxrss >> 10} MiB of memory at most"
    )


if __name__ == "__main__":
    main()
