"""Counts and lengths of time in words."""

from __future__ import annotations

from datetime import timedelta


def counted(count: int, noun: str, verb: str = "") -> str:
    """A count with its noun and verb in the right number: `1 object changes`, `2 objects change`.

    `verb` is the form for several. Both words take an s for the other number.
    """
    one = count == 1
    words = [str(count), noun if one else f"{noun}s"]
    if verb:
        words.append(f"{verb}s" if one else verb)
    return " ".join(words)


def lasting(time: timedelta) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `26 min`, `0 s`."""
    left = max(int(time.total_seconds()), 0)
    parts: list[str] = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
