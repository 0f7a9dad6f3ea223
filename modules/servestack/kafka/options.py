"""Reads options as they are typed: a moment (`90m`, `2026-11-30T10:00Z`), and ids of events."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from servestack.errors import Problem, SpecError

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_moment(text: str, option: str, now: datetime) -> datetime:
    """Return a moment in UTC: so long before `now`, or a date or time, in UTC unless it says else.

    Raises SpecError (SRV568) for another text. `option` is where it was typed.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "write how long ago (90s, 15m, 1h, 7d, 2w), or a time such as 2026-11-30T10:00Z"
        raise SpecError(Problem("SRV568", f"{option}: {text!r} is not a time", hint=hint)) from None


def event_time(moment: datetime) -> str:
    """Return a moment in UTC as events have it, so that their order as texts is that in time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def read_ids(text: str) -> frozenset[str]:
    """Return ids: those of a file, one a line, or those that are typed with commas between them.

    Raises SpecError (SRV568) if the file cannot be read or nothing is given.
    """
    file = Path(text)
    try:
        if file.is_file():
            found = file.read_text(encoding="utf-8").splitlines()
        elif "/" in text:
            raise SpecError(Problem("SRV568", f"--ids: there is no file {text}"))
        else:
            found = text.split(",")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SpecError(Problem("SRV568", f"--ids: {text} cannot be read: {reason}")) from None
    ids = frozenset(stripped for one in found if (stripped := one.strip()))
    if not ids:
        hint = "write ids with commas between them, or a file with one id a line"
        raise SpecError(Problem("SRV568", "--ids: no id is given", hint=hint))
    return ids
