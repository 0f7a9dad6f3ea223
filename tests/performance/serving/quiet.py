"""How much of the machine others had while something was measured."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from tests.performance.serving.process import CLIENT_CORE, SERVER_CORE

TICKS = os.sysconf("SC_CLK_TCK")


class Watch:
    """From now on: the time on both cores that went neither to these processes nor to wrk."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._since = time.monotonic()
        self._others = _busy_seconds() - self._own_seconds()

    def others_share(self) -> float:
        """Of one core's time, 0 to 2."""
        others = _busy_seconds() - self._own_seconds() - self._others
        return max(0.0, others / (time.monotonic() - self._since))

    def _own_seconds(self) -> float:
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        return client.ru_utime + client.ru_stime + sum(map(_cpu_seconds, self._pids))


def _busy_seconds() -> float:
    seconds = 0.0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name in (f"cpu{SERVER_CORE}", f"cpu{CLIENT_CORE}"):
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, ticks[:8])
            seconds += (user + nice + system + irq + softirq + steal) / TICKS
    return seconds


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS
    return 0.0
