"""What the log of predictions costs, from rounds that take turns."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class LogCost:
    """Requests a second with the prediction log and without, by round; events for answers."""

    with_log: list[float]
    without_log: list[float]
    answered: int
    written: int
    others_share: float
    """The most that other work had of one core in a round."""

    @property
    def share(self) -> float:
        """Of the throughput, that the log takes: the median of the rounds."""
        return 1 - median(on / off for on, off in zip(self.with_log, self.without_log, strict=True))
