"""Limits on the disk and the memory for the events of one worker, in bytes."""

from __future__ import annotations

from servestack_contract.settings import Events
from servestack_server.events.files import FILE_MARK_BYTES

QUEUE_BYTES = 8 * 2**20
"""Most bytes of lines that wait in memory while the disk is slow or broken."""

FILE_BYTES = 16 * 2**20
"""Size at which a file is closed and the next one is created."""


def budget_bytes(events: Events, workers: int) -> int:
    """Return one worker's share of the disk budget."""
    return events.disk_budget_bytes // workers


def queue_bytes(events: Events, workers: int) -> int:
    """Return how much may wait in memory. It fits on disk even if all open files are full."""
    return min(QUEUE_BYTES, budget_bytes(events, workers) // 4)


def file_bytes(events: Events, workers: int) -> int:
    """Return the size at which a file is rotated.

    Open files cannot be deleted, so together they may hold at most a quarter of the budget.
    """
    return min(FILE_BYTES, budget_bytes(events, workers) // (4 * max(len(events.kinds), 1)))


def largest_line_bytes(events: Events, workers: int = 1) -> int:
    """Return the size of the longest line that is accepted, newline included.

    A file's mark is subtracted, because the line may be the first of a file.
    """
    return min(events.max_event_bytes, queue_bytes(events, workers)) - FILE_MARK_BYTES
