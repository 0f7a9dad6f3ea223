"""Turns dates and times into what models count in: nanoseconds in UTC, as MLflow's `datetime` is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray


def nanoseconds(moments: Sequence[datetime | None]) -> NDArray[np.datetime64]:
    """Return moments of `servestack_contract.moments` as an array of datetime64[ns]; None becomes NaT.

    A moment without a zone counts as UTC.
    """
    made = np.array([_in_utc(moment) for moment in moments], dtype="datetime64[ns]")
    # numpy reads pandas' Timestamp as the datetime that it is, without its nanoseconds.
    finer = [getattr(moment, "nanosecond", 0) for moment in moments]
    if any(finer):
        made += np.array(finer, dtype="timedelta64[ns]")
    return made


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)
