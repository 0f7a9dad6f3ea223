"""How long a call of a model will take, learned from the calls before."""

from __future__ import annotations

_LARGE = 16
"""Rows from which on a call tells of the time for a row, and below which of the time for a call."""
_WEIGHT = 0.1


class CallTime:
    """Seconds of a call as `base + rows * per_row`, each a moving average."""

    __slots__ = ("base", "per_row")

    def __init__(self) -> None:
        self.base = 0.0
        self.per_row = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """A call of so many rows took so long."""
        if rows < _LARGE:
            self.base += (seconds - self.base) * (_WEIGHT if self.base else 1.0)
        else:
            per_row = max(seconds - self.base, 0.0) / rows
            self.per_row += (per_row - self.per_row) * (_WEIGHT if self.per_row else 1.0)

    def expected(self, rows: int) -> float:
        """Seconds for a call of so many rows."""
        return self.base + rows * self.per_row
