"""Which rows of a stream are counted for drift, so that the work per second has a limit."""

from __future__ import annotations

import random

_NONE_LEFT = 1 << 62
"""A gap that no stream of rows comes to the end of."""


class RowSample:
    """Every `step`-th row of a stream, and at most `share` rows of a period.

    It is a systematic sample with a random start (Cochran, Sampling Techniques, 1977, chapter 8): a
    row's chance does not depend on the size of its request, nor on its place in it. The step follows
    from the rows of the period before; with at most `share` of them it is 1.

    `seen` and `taken` are totals since the start. `gap` is the number of rows to leave out before
    the next one is taken. Whoever leaves out a whole request does so by itself, for it is done for
    most requests of a busy service:

        sample.seen += size
        if sample.gap >= size:
            sample.gap -= size
        else:
            chosen = sample.take(size)
    """

    __slots__ = ("_left", "_seen_before", "gap", "seen", "share", "step", "taken")

    def __init__(self, share: int) -> None:
        self.share = share
        self.step = 1
        self.gap = 0
        self.seen = 0
        self.taken = 0
        self._left = share
        self._seen_before = 0

    def take(self, size: int) -> range:
        """Return the places of the rows to count, among `size` rows of a request. `gap` is less.

        Of more rows than are left in this period, evenly spaced ones are taken.
        """
        chosen = range(self.gap, size, self.step)
        if len(chosen) > self._left:
            step = self.step * -(-len(chosen) // self._left)
            start = self.gap + random.randrange(min(step, size - self.gap))
            chosen = range(start, size, step)
        self.taken += len(chosen)
        self._left -= len(chosen)
        self.gap = chosen[-1] + chosen.step - size if self._left else _NONE_LEFT
        return chosen

    def renew(self) -> int:
        """Begin the next period. Returns how many rows came in the one that ends."""
        came = self.seen - self._seen_before
        self._seen_before = self.seen
        self._left = self.share
        self.step = max(1, -(-came // self.share))
        self.gap = random.randrange(self.step)
        return came
