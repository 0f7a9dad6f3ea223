"""How much memory this process may take."""

from __future__ import annotations

import os
from pathlib import Path

_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # cgroup v2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # cgroup v1
)


def memory_bytes(limits: tuple[Path, ...] = _LIMITS) -> int:
    """Return the container's memory limit, or the machine's memory if that is less or there is none.

    `limits` are the files of the control group, of which one exists at most.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in limits:
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():  # v2 has the word max for no limit
            return min(int(text), machine)
    return machine


def free_bytes() -> int:
    """Return how many bytes this process may still take; the limit itself where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        pages = 0
    return memory_bytes() - pages * os.sysconf("SC_PAGE_SIZE")
