"""Makes one observation of each unit out of requests and their feedback.

A unit is what was assigned to a variant: the value of stickyBy, or a request by itself. Its requests
count from the first one until the window ends, and so does the feedback to them. Its value is the mean
over these requests: each unit counts once, however often it came. It is complete when the window is
over, and then changes no more. So at any look the complete units are the first ones of the experiment,
in the order of their first requests, whatever order their events were read in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Keys = NDArray[np.uint64]

SETTLE_MILLISECONDS = 60_000
"""How long an event may take to its topic: the window of a unit ends that much before the look."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Predictions, and accesses where they were read: several rows may be of one request.

    `ids` and `units` are hashes, `variants` indices, `times` milliseconds since 1970. `latencies` are
    in milliseconds, NaN where a row is no prediction; `errors` 0 or 1, NaN where it is no access.
    """

    ids: Keys
    units: Keys
    variants: Integers
    times: Integers
    latencies: Floats
    errors: Floats


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback of one field: the request's hash, when it came, in milliseconds, and the value."""

    ids: Keys
    times: Integers
    values: Floats


@dataclass(frozen=True, slots=True)
class Units:
    """All units. `values` has for each metric one value of each complete unit, NaN for none.

    `assigned` counts units by variant, the incomplete ones too. `variants` are those of the complete
    ones. `crossed` had requests of several variants and are left out, `repeated` requests were read
    again, `unmatched` feedback is to no request of the experiment, or came after the window.
    """

    variants: Integers
    values: Mapping[str, Floats]
    assigned: tuple[int, ...]
    crossed: int
    pending: int
    requests: int
    repeated: int
    unmatched: int
    first: int
    last: int


def units_of(
    given: Requests, feedback: Mapping[str, Feedback], variant_count: int, *, window_milliseconds: int,
    now: int, zero_for_missing: Sequence[str] = (),
) -> Units:  # fmt: skip
    """Make the observations. `feedback` is by the name of its metric; there is at least one request.

    `zero_for_missing` are the metrics whose value is 0 for a request without feedback. `now` is the
    time of the look, in milliseconds since 1970.
    """
    import numpy as np

    # One row for each request, the requests of a unit one after the other, the first one first.
    ids, first_rows, row_of = np.unique(given.ids, return_index=True, return_inverse=True)
    count = len(ids)
    is_prediction, is_access = ~np.isnan(given.latencies), ~np.isnan(given.errors)
    repeated = int(is_prediction.sum() - len(np.unique(row_of[is_prediction])))
    times = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(times, row_of, given.times)
    latencies, errors = np.full(count, np.nan), np.full(count, np.nan)
    latencies[row_of[is_prediction]] = given.latencies[is_prediction]
    errors[row_of[is_access]] = given.errors[is_access]
    variants = given.variants[first_rows]
    _, unit_of = np.unique(given.units[first_rows], return_inverse=True)

    unit_count = int(unit_of.max()) + 1
    starts = np.full(unit_count, np.iinfo(np.int64).max)
    np.minimum.at(starts, unit_of, times)
    ends = starts + window_milliseconds
    in_window = times < ends[unit_of]
    lowest, highest = np.full(unit_count, variant_count), np.full(unit_count, -1)
    np.minimum.at(lowest, unit_of[in_window], variants[in_window])
    np.maximum.at(highest, unit_of[in_window], variants[in_window])
    is_crossed = lowest != highest
    is_complete = ~is_crossed & (ends + SETTLE_MILLISECONDS <= now)

    def means(values: Floats) -> Floats:
        counts = in_window & ~np.isnan(values)
        number = np.bincount(unit_of[counts], minlength=unit_count)
        total = np.bincount(unit_of[counts], weights=values[counts], minlength=unit_count)
        found = np.full(unit_count, np.nan)
        np.divide(total, number, out=found, where=number > 0)
        return found

    found = {"latency": means(latencies), "errors": means(errors)}
    unmatched = 0
    for name, one in feedback.items():
        at = np.minimum(np.searchsorted(ids, one.ids), count - 1)
        is_ours = (ids[at] == one.ids) & (one.times < ends[unit_of[at]])
        unmatched += int((~is_ours).sum())
        at, values = at[is_ours], one.values[is_ours]
        # The last one to a request counts: assigned in the order of time, it stays.
        order = np.lexsort((values, one.times[is_ours]))
        latest = np.full(count, 0.0 if name in zero_for_missing else np.nan)
        latest[at[order]] = values[order]
        found[name] = means(latest)
    return Units(
        variants=lowest[is_complete],
        values={name: values[is_complete] for name, values in found.items()},
        assigned=tuple(
            np.bincount(lowest[~is_crossed], minlength=variant_count)[:variant_count].tolist()
        ),
        crossed=int(is_crossed.sum()),
        pending=int((~is_crossed & ~is_complete).sum()),
        requests=count,
        repeated=repeated,
        unmatched=unmatched,
        first=int(times.min()),
        last=int(times.max()),
    )
