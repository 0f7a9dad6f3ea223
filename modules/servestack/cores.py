"""Shares work that is the same for each of many items among the cores, by fork."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, BinaryIO, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST_ITEMS = 48
"""Fewer take less time than a fork and the way back of its result."""


def in_parts(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Result],
    *,
    least: int = LEAST_ITEMS,
) -> list[Result]:
    """Call `work` for as many parts of `items` as there are cores; the results in the parts' order.

    Each part but the first is worked on in a forked process, whose result must be picklable. A part
    whose process did not end well is worked on again in this one, so that its error is raised here:
    `work` must give the same when it is called twice.
    """
    parts = _split(items, min(_cores(), len(items) // least))
    if len(parts) == 1:
        return [work(items)]
    forked: list[tuple[Sequence[Item], int, BinaryIO]] = []
    try:
        for part in parts[1:]:
            forked.append((part, *_fork(work, part, [pipe for _, _, pipe in forked])))
        results = [work(parts[0])]
        for part, pid, pipe in forked:
            done, result = _result(pid, pipe)
            results.append(result if done else work(part))
    finally:
        for _, pid, pipe in forked:
            pipe.close()  # A process that still works ends, since nobody reads its result.
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
    return results


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _split(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """Parts of nearly the same length, in order."""
    count = max(count, 1)
    ends = [len(items) * number // count for number in range(count + 1)]
    return [items[start:end] for start, end in pairwise(ends)]


def _fork(
    work: Callable[[Sequence[Item]], Result], part: Sequence[Item], others: Sequence[BinaryIO]
) -> tuple[int, BinaryIO]:
    """Start to work on a part in another process; its id, and where its result comes from.

    `others` bring the results of processes before it, which must not stay open in this one.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading, "rb")
    status = 1
    try:
        for handle in (reading, *(other.fileno() for other in others)):
            os.close(handle)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(part), pipe, pickle.HIGHEST_PROTOCOL)
        status = 0
    finally:
        # Neither the parent's buffers nor its clean-up are this process's.
        os._exit(status)


def _result(pid: int, pipe: BinaryIO) -> tuple[bool, Any]:
    """(whether the process ended well, its result)."""
    content = pipe.read()
    ended_well = os.waitpid(pid, 0)[1] == 0
    return ended_well, pickle.loads(content) if ended_well else None
