"""Reads dates and times, to the nanosecond.

Python reads ISO 8601 to the microsecond and leaves out further digits without a word.
"""

from __future__ import annotations

import re
from datetime import datetime

from servestack_contract.wrong_values import WrongValueError

_DATED = range(1678, 2262)
"""The years that the models' 64 bits of nanoseconds around 1970 hold as a whole."""
_FINER = re.compile(r"([.,][0-9]{6})([0-9]+)")
"""A fraction of a second with more than six digits."""


def moment(text: str) -> datetime:
    """Read a date and time in ISO 8601, exactly.

    It is pandas' Timestamp, a datetime with `nanosecond`, if a datetime does not hold all digits.
    Raises WrongValueError for another text, a year that nanoseconds do not reach, and for digits
    beyond the ninth that are not zeros.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        message = "expected a date and time like 2026-01-31T12:00:00Z"
        raise WrongValueError("not_allowed", message) from None
    if read.year not in _DATED:
        message = f"expected a year from {_DATED[0]} to {_DATED[-1]}"
        raise WrongValueError("out_of_range", message)
    return read if len(text) < _SHORTEST_FINER else _with_nanoseconds(text, read)


_SHORTEST_FINER = len("20260131T12.1234567")


def _with_nanoseconds(text: str, read: datetime) -> datetime:
    finer = [found for found in _FINER.finditer(text) if found[2].strip("0")]
    if not finer:
        return read
    digits = finer[0][2].rstrip("0")
    # A fraction at the end of a text with a zone is one of the zone's offset.
    is_of_zone = read.tzinfo is not None and finer[0].end() == len(text)
    if len(digits) > 3 or len(finer) > 1 or is_of_zone:
        message = "expected at most nine digits of a second, and six in the offset of its zone"
        raise WrongValueError("not_allowed", message)
    import pandas  # Models that take dates get them in its frames, so it is loaded already.

    exact: datetime = pandas.Timestamp(read).as_unit("ns") + pandas.Timedelta(
        int(digits.ljust(3, "0")), "ns"
    )
    return exact


def in_microseconds(text: str) -> str:
    """Return a date's text with six digits of a second at most, for who reads no more.

    Raises WrongValueError as `moment` does, and for further digits that are not zeros.
    """
    if getattr(moment(text), "nanosecond", 0):
        message = "expected at most six digits of a second: MLflow gives params in microseconds"
        raise WrongValueError("not_allowed", message)
    return _FINER.sub(r"\1", text)
