"""Memory of a process tree that does not depend on who else has the same files mapped."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path


def resident_bytes(pids: Sequence[int]) -> int:
    """Pages of the processes, those that they share among themselves counted once.

    Private memory by proportional size, which divides by the processes of a fork; pages of a file
    by the process of the tree that holds most of a mapping, because the proportional size would
    divide by strangers that run the same libraries too.
    """
    private = 0.0
    files: dict[tuple[str, str, str], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            private += _sum_rollup(Path(f"/proc/{pid}/smaps_rollup").read_text())
            for mapping, size in _file_pages(Path(f"/proc/{pid}/smaps").read_text()):
                files[mapping] = max(files.get(mapping, 0), size)
    return int(private) + sum(files.values())


def _sum_rollup(text: str) -> int:
    wanted = ("Pss_Anon:", "Pss_Shmem:")
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(wanted))


def _file_pages(text: str) -> list[tuple[tuple[str, str, str], int]]:
    pages: list[tuple[tuple[str, str, str], int]] = []
    mapping, resident = None, 0
    for line in text.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            # 7f00-7f01 r--p 00000000 fe:00 1234 /lib/x.so: a file where the inode is not 0
            mapping = (words[3], words[4], words[2]) if words[4] != "0" else None
        elif mapping and words[0] == "Rss:":
            resident = int(words[1]) * 1024
        elif mapping and words[0] == "Anonymous:":
            pages.append((mapping, resident - int(words[1]) * 1024))
    return pages
