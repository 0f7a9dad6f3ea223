"""Processes that are killed under load: what was taken before the last interval is on disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from serving_image.tests.events.event_support import lines_on_disk, number_of, settings

from servestack_server.events.writer import EventWriter

INTERVAL_SECONDS = 0.02
LATE_SECONDS = 0.05
"""How much later than its interval the thread may come to write, on a machine that is busy."""
SPAN = 10_000_000
PROGRAM = "serving_image.tests.events.killed_writer"
REPOSITORY = Path(__file__).parents[3]


def killed_at(
    folder: Path, first: int, seconds: float, load: int
) -> tuple[list[tuple[int, float]], float]:
    """Run the program, kill it; returns what it said and when it was killed."""
    # What else is tested meanwhile must not make its thread late.
    first_in_line = ["nice", "-n", "-10"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [*first_in_line, sys.executable, "-m", PROGRAM, folder, str(first), str(INTERVAL_SECONDS), str(load)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    start = process.stdout.readline()
    time.sleep(seconds)
    killed = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    rest, refused = process.communicate(timeout=10)
    assert refused == b""
    said = (start + rest).decode().splitlines()
    return [(int(number), float(at)) for number, at in map(str.split, said)], killed


def test_every_line_before_the_last_interval_survives_a_kill(tmp_path: Path) -> None:
    """Twenty times at any moment, each time in the folder that the last one left."""
    chance = random.Random(4)
    expected: set[int] = set()
    all_taken = 0
    for kill in range(20):
        first = kill * SPAN
        # Little load, where only the clock makes it write, and much.
        load = (2, 20)[kill % 2]
        said, killed = killed_at(tmp_path, first, chance.uniform(0.1, 0.5), load)
        safe = [number for number, at in said if at < killed - INTERVAL_SECONDS - LATE_SECONDS]
        expected |= set(range(first, safe[-1] if safe else first))
        all_taken += said[-1][0] - first

    writer = EventWriter(settings(tmp_path, disk_budget_bytes=256 << 20), registry=tmp_path / "x")
    writer.start()
    numbers = [number_of(event) for event in lines_on_disk(tmp_path)]
    assert writer.close(5)
    assert expected <= set(numbers)
    assert len(numbers) == len(set(numbers))
    assert len(expected) > 0.5 * all_taken > 1000
    for kill in range(20):
        mine = sorted(number for number in numbers if number // SPAN == kill)
        assert mine == list(range(kill * SPAN, kill * SPAN + len(mine)))
