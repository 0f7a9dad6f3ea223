"""How much of the disk and of memory one worker's events may take."""

from __future__ import annotations

from servestack_contract.settings import Events
from servestack_server.events.files import FILE_MARK_BYTES

QUEUE_BYTES = 8 * 2**20
"""Lines held in memory at most, while the disk is slow or broken."""

FILE_BYTES = 16 * 2**20
"""Size at which a file is closed and the next one is made."""


def budget_bytes(events: Events, workers: int) -> int:
    """One worker's share of the disk."""
    return events.disk_budget_bytes // workers


def queue_bytes(events: Events, workers: int) -> int:
    """What may wait in memory: with all files at their largest it still has room on disk."""
    return min(QUEUE_BYTES, budget_bytes(events, workers) // 4)


def file_bytes(events: Events, workers: int) -> int:
    """Where files are rotated: the open ones, which cannot be deleted, hold a quarter at most."""
    return min(FILE_BYTES, budget_bytes(events, workers) // (4 * max(len(events.kinds), 1)))


def largest_line_bytes(events: Events, workers: int = 1) -> int:
    """The longest line that is taken, its newline included; it may be the first of a file."""
    return min(events.max_event_bytes, queue_bytes(events, workers)) - FILE_MARK_BYTES
