"""Estimates how long a call of a model takes, from the calls before it."""

from __future__ import annotations

_LARGE = 16
"""Batch size in rows at which a call measures per-row cost; a smaller one measures fixed cost."""
_WEIGHT = 0.1
"""Weight of the newest call in the moving averages."""


class CallTime:
    """Estimates the seconds of a call as `base + rows * per_row`, each a moving average."""

    __slots__ = ("base", "per_row")

    def __init__(self) -> None:
        self.base = 0.0
        self.per_row = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """Learn from a call of `rows` rows that took `seconds`."""
        if rows < _LARGE:
            self.base += (seconds - self.base) * (_WEIGHT if self.base else 1.0)
        else:
            per_row = max(seconds - self.base, 0.0) / rows
            self.per_row += (per_row - self.per_row) * (_WEIGHT if self.per_row else 1.0)

    def expected(self, rows: int) -> float:
        """Return the expected seconds for a call of `rows` rows."""
        return self.base + rows * self.per_row
